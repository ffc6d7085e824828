"""A run's identity, its folder, and what is known about how it came to be."""
