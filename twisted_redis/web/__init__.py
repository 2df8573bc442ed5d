"""A status page, Prometheus metrics and health probes over HTTP; on if ``--metrics-port`` is given."""
