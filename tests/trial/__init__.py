"""Tests for Twisted's trial (``python -m twisted.trial tests.trial``). pytest collects them as well."""
