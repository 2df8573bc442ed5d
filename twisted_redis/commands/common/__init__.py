"""Shared by several groups of commands."""
