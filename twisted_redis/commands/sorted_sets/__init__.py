"""The commands on sorted sets."""
