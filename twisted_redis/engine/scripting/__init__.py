"""Scripts and functions in Lua: the parts behind EVAL and FCALL.

``interpreter`` is the only module that uses the Lua interpreter, and ``sandbox.lua`` defines what scripts may see.
``running`` has the state of one run and implements ``redis.call``.  ``scripts`` is the cache of EVAL, and ``libraries``
holds the libraries of FUNCTION.
"""
