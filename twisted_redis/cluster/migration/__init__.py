"""Atomic slot migration: a node takes slots over from another one with all their keys, in one step for the clients.

The wire protocol is that of Redis 8.4 and later, so that either side may be a real server.
"""
