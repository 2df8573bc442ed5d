"""The commands on hashes."""
