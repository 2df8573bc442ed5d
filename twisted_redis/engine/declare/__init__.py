"""Declarations of commands: the command table, flags, key specifications and documentation."""
