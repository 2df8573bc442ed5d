"""Sketches, which count approximately in little memory: the commands BF.*, CF.*, CMS.*, TOPK.* and TDIGEST.*.

``bloom``, ``cuckoo``, ``count_min``, ``top_k`` and ``digest`` are the sketches, which know nothing of a server.  For
each, a file with ``commands`` in its name declares the type of the values and the commands.
"""

from twisted_redis.modules.probabilistic import bloom_commands as bloom_commands
from twisted_redis.modules.probabilistic import count_min_commands as count_min_commands
from twisted_redis.modules.probabilistic import cuckoo_commands as cuckoo_commands
from twisted_redis.modules.probabilistic import digest_commands as digest_commands
from twisted_redis.modules.probabilistic import top_k_commands as top_k_commands
from twisted_redis.modules.probabilistic.module import module

__all__ = ["module"]
