"""Persistence: snapshots (RDB files), the append-only file, and the end of the server."""
