"""From a config to a finished run: fit, checkpoints, resume, several processes."""
