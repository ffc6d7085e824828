"""report.html of a run and of a name, and the pages of gatelab ui."""
