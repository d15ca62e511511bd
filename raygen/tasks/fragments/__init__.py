"""Text of a model.py that depends on the task alone."""
