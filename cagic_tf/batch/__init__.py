"""Many photos: rows in, an output folder out."""
