"""A server in the test's own process: no socket, no waiting, time moved by hand."""
