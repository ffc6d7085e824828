"""gatelab from Python, for scripts and notebooks: train, look at runs, compare them. Its functions stand in ``gatelab`` itself."""
