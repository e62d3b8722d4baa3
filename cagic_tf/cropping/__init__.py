"""What cropping a photo takes: a request, the graphs of an objective, and a result of these."""
