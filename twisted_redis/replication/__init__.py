"""Replication: the master and its stream, and the replica that follows a master."""
