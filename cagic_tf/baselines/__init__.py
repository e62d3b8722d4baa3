"""The other systems of Table 1, for inference: one folder for each."""
