"""The other systems of Table 1, as their authors released them: each gives boxes of a photo."""
