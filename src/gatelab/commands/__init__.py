"""One module for each command of gatelab.cli."""
