"""The append-only file: every write as a command, in several files that a manifest names."""
