"""What the user sees of a run: its tables, its live view, its picture."""
