"""A run's folder, and what is known about how it came to be."""
