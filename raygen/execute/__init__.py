"""Runs a model.py that RayGen wrote: in a clean process of its own, on a warm worker."""
