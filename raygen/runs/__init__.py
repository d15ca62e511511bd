"""What one execution of an experiment leaves on disk."""
