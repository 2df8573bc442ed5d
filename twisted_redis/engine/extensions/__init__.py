"""Modules in Python: what they declare, and what their commands may do."""
