"""Synthetic sequences: the problems of the papers on long-term dependencies, generated, with their own measures of success."""
