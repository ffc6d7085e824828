"""Regression: a number for each text. Its metrics, the baselines beside it, what is kept of the test rows."""
