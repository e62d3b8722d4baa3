"""A2-RL: an agent that moves a window over the photo until it likes what it sees."""
