"""Convolutional networks whose features the captioner and the scorer read."""
