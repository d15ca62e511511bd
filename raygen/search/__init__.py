"""Tries candidates of a space on many machines, by Ray Tune."""
