"""What the server tells of itself: statistics, slow log, latency, MONITOR, INFO."""
