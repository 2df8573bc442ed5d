"""Users and their permissions.

An engine holds one ``Acl`` (``directory``), which keeps the users and assigns one of them to each client.  A user has
selectors (``selectors``, which also parses their rules).  A selector consists of commands, key patterns and channel
patterns.  ``check`` decides whether a request is allowed, and ``log`` keeps the refusals.  ``files`` reads and writes
the ACL file and reads the ``user`` lines of the configuration.

A user without restrictions costs nothing: only the clients of other users carry the gate ``RESTRICTED``.
"""

from __future__ import annotations

from twisted_redis.engine.acl.check import Denial
from twisted_redis.engine.acl.directory import Acl
from twisted_redis.engine.acl.files import AclStartError
from twisted_redis.engine.acl.selectors import RuleError
from twisted_redis.engine.acl.users import User

__all__ = ["Acl", "AclStartError", "Denial", "RuleError", "User"]
