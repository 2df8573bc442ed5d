"""Connections: protocol, factory, transports and listening."""
