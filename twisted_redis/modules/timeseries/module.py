"""The module ``timeseries``, in which the other files of this package declare their commands and types."""

from __future__ import annotations

from twisted_redis.extending import Module

__all__ = ["commands", "module"]

module = Module("timeseries", version=11202, categories=("timeseries",))

#: Declares a command.  Redis checks the number of arguments when the command runs.
commands = module.group(acl=("@timeseries",), late_arity=True, since="1.0.0")
