"""The commands on sets."""
