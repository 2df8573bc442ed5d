"""A server in the test's own process, without sockets or waiting. The test moves its time."""
