"""Terminal output of gatelab compare, runs and train."""
