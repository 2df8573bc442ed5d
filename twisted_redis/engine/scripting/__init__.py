"""Scripts and functions in Lua: EVAL and FCALL with all that stands behind them.

``interpreter`` is the only module that knows the Lua interpreter; ``sandbox.lua`` is what scripts may see.  ``running``
has what one run knows and what ``redis.call`` does; ``scripts`` the cache of EVAL, ``libraries`` those of FUNCTION.
"""
