"""Reads run folders; draws tables. Never imports learning or data."""
