"""The run folder: its files, their readers and writers, and the run's provenance."""
