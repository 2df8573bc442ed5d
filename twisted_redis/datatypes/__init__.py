"""The values of keys and their algorithms."""
