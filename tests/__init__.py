"""The tests; a package, so that trial finds those of `tests.trial` by their name."""
