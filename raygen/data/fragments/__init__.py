"""The functions that are copied into a ``model.py``: loaders, folds, preprocessing."""
