"""How Hydra runs many: gatelab's launchers and sweepers. Imported by every Hydra program, so nothing heavy at the top."""
