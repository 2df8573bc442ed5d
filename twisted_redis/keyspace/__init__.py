"""Databases: keys, their expiry, cursors over them."""
