"""Reads run folders; draws tables, pages and figures. Never imports tasks or data."""
