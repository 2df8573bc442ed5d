"""The server as a library: in a Twisted program, in any other program, and in tests.

This is a thin layer over the engine and the network.  Nothing here decides how Redis behaves.
"""
