"""Photos from and to files."""
