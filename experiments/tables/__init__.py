"""What the scripts that make tables share."""
