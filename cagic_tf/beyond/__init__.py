"""What goes beyond the paper; `paper.gin` reads none of it."""
