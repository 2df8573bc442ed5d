"""Memory: what is used, eviction of keys and of clients, freeing a bit at a time."""
