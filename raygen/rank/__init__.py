"""Compares the best candidates by k-fold cross-validation."""
