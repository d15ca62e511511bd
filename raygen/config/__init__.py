"""What does the user want: the YAML read, checked and typed."""
