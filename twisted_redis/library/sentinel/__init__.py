"""Servers under sentinels for tests: clients find the master, and a failover happens when the test asks for it."""
