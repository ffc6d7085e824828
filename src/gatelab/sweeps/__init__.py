"""Many runs: how each job ended, and the search that proposes them. Their launchers are in hydra_plugins."""
