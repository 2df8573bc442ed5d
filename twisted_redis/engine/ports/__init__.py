"""The ports of the engine: what it asks of the rooms above it.

Each port is a protocol with a null object.  A bare ``Engine`` holds the null objects, so every command has an answer
without a file, a socket or another server.  A room above assigns its own part to the attribute of the engine.
"""
