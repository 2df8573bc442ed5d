"""JSON documents: the commands JSON.*, and values of the type ``ReJSON-RL``.

The commands, their errors and the stored form are those of RedisJSON.  ``paths`` says why the paths are written here
in place of a library.
"""

from twisted_redis.modules.json import arrays, reading, scalars, writing
from twisted_redis.modules.json.document import Document
from twisted_redis.modules.json.module import module

__all__ = ["Document", "arrays", "module", "reading", "scalars", "writing"]
