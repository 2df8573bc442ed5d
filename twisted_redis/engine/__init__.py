"""The command table, the gates before a command, effects after it, blocking and clients."""
