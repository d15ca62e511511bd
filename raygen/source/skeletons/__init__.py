"""Programs and parts of programs that a model.py is made of."""
