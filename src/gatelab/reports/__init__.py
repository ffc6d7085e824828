"""Reads run folders; draws tables, pages and pictures. Never imports learning or data."""
