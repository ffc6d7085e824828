"""What gatelab compare, runs and train show in a terminal."""
