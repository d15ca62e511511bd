"""Searches, ranks and writes plain models from one YAML file."""

__version__ = "0.1.0"
