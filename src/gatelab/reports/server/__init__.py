"""gatelab ui: what a request gets."""
