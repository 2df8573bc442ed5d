"""The server's reports about itself: statistics, slow log, latency, MONITOR, INFO."""
