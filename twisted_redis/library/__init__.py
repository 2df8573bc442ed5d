"""The server as a library: within a Twisted program, within any other, and within tests.

A thin face over the engine and the network: nothing here decides how Redis behaves.
"""
