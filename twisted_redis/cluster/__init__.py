"""Redis Cluster: the nodes, the bus between them, and what they decide together."""
