"""View Proposal Net: one pass scores 895 predefined boxes."""
