"""The tests. This is a package so that trial finds `tests.trial` by name."""
