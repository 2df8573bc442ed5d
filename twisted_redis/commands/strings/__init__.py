"""The commands on strings."""
