"""Reads run folders; draws tables, pages and pictures. Never imports tasks or data."""
