"""The values and their algorithms."""
