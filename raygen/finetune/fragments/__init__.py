"""Modules whose text is copied into the programs that fine-tune."""
