"""Memory: measuring its use, evicting keys and clients, freeing large values in small steps."""
