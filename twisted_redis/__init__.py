"""A Redis-compatible server as a Twisted service, to run or to import.

Importing this package costs nothing: the names of the public interface are loaded on first use, so that
``twistd --help``, which imports every plugin, does not pay for a server.
"""

__version__ = "0.1.0"
