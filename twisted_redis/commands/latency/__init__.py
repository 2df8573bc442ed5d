"""The LATENCY commands."""
