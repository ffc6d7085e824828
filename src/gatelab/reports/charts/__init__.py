"""Charts: for pages as SVG, for paper with matplotlib."""
