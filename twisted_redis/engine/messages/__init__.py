"""Messages to clients: Pub/Sub, keyspace notifications, client-side caching."""
