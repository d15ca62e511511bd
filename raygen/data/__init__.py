"""What is the data: its shape, its classes, its rows, and the text that reads it."""
