"""Users and what they may do.

``Acl`` (``directory``) is what an engine holds: the users, and which of them each client is.  A user has selectors
(``selectors``), a selector commands, key patterns and channel patterns; ``rules`` reads their language; ``check``
tells whether a request is covered; ``log`` keeps what was not; ``files`` are the ACL file and ``user`` lines.

A user who may do everything costs nothing: only the others' clients carry the gate ``RESTRICTED``.
"""

from __future__ import annotations

from twisted_redis.engine.acl.check import Denial
from twisted_redis.engine.acl.directory import Acl
from twisted_redis.engine.acl.files import AclStartError
from twisted_redis.engine.acl.selectors import RuleError
from twisted_redis.engine.acl.users import User

__all__ = ["Acl", "AclStartError", "Denial", "RuleError", "User"]
