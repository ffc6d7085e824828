"""Where metrics also go, one module a tracker; background.py keeps them from stopping or slowing a run."""
