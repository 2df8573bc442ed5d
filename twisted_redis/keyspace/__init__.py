"""Databases: keys, their expiry, and cursors over them."""
