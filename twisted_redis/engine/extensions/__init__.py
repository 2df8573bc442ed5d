"""Modules in Python: their declarations, and the checks of their commands."""
