"""Replication: the stream of a master and its replicas, and the replica that follows a master."""
