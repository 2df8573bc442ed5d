"""A whole cluster for a program or a test."""
