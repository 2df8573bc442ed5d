"""A status page and Prometheus metrics over HTTP, for this machine only; on if ``--metrics-port`` is given."""
