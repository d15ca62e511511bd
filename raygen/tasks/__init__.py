"""What each kind of task needs: data, metrics, a default space."""
