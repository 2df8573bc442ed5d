"""A status page and Prometheus metrics over HTTP, for this machine alone; off unless ``--metrics-port`` is given."""
