"""What a run is made of: the schema of its config, what a _target_ may build, and the identity that names it."""
