"""One module a command: what gatelab.cli calls."""
