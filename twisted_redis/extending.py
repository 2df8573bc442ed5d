"""The public names for modules: all that you need to write commands in Python.

    from twisted_redis.extending import FAST, READONLY, RO, Module, first_key

    module = Module("greetings")

    @module.command("GREET", arity=2, flags=READONLY | FAST, keys=first_key(RO))
    def greet(ctx, key):
        name = ctx.db.read_string(key)
        return b"Hello, " + (name or b"stranger")

See docs/extending.md for the rest.
"""

from __future__ import annotations

from twisted_redis.datatypes.murmur import murmur64a
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.regex import BackReference, RegexError, compile_regex
from twisted_redis.datatypes.stored import Float32, Reader, Signed
from twisted_redis.engine.blocking import Block
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import (
    ADMIN,
    ALLOW_BUSY,
    BLOCKING,
    DENYOOM,
    FAST,
    LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    STALE,
    WRITE,
)
from twisted_redis.engine.declare.keyspecs import (
    ACCESS,
    DELETE,
    INSERT,
    OW,
    RM,
    RO,
    RW,
    UPDATE,
    KeySpec,
    after_keyword,
    counted_keys,
    first_key,
    key_at,
    key_range,
)
from twisted_redis.engine.errors import (
    CommandError,
    NoSuchKey,
    NotFloat,
    NotInteger,
    OutOfRange,
    SyntaxError_,
    WrongArity,
    WrongType,
)
from twisted_redis.engine.extensions.calls import call, sleep
from twisted_redis.engine.extensions.module import Module
from twisted_redis.engine.extensions.modules import ModuleError, load_module
from twisted_redis.engine.parse import (
    float_number,
    float_or_none,
    integer,
    integer_in,
    integer_or_none,
    positive,
    timeout,
)
from twisted_redis.resp.types import (
    OK,
    BigNumber,
    ErrorReply,
    NullArray,
    Pairs,
    Reply,
    SetReply,
    Simple,
    Verbatim,
)

__all__ = [
    "ACCESS",
    "ADMIN",
    "ALLOW_BUSY",
    "BLOCKING",
    "DELETE",
    "DENYOOM",
    "FAST",
    "INSERT",
    "LOADING",
    "NOSCRIPT",
    "NO_MULTI",
    "OK",
    "OW",
    "READONLY",
    "RM",
    "RO",
    "RW",
    "STALE",
    "UPDATE",
    "WRITE",
    "BackReference",
    "BigNumber",
    "Block",
    "Client",
    "CommandError",
    "ErrorReply",
    "Float32",
    "KeySpec",
    "Module",
    "ModuleError",
    "NoSuchKey",
    "NotFloat",
    "NotInteger",
    "NullArray",
    "OutOfRange",
    "OwnValue",
    "Pairs",
    "Reader",
    "RegexError",
    "Reply",
    "SetReply",
    "Signed",
    "Simple",
    "SyntaxError_",
    "Verbatim",
    "WrongArity",
    "WrongType",
    "after_keyword",
    "call",
    "compile_regex",
    "counted_keys",
    "first_key",
    "float_number",
    "float_or_none",
    "integer",
    "integer_in",
    "integer_or_none",
    "key_at",
    "key_range",
    "load_module",
    "murmur64a",
    "positive",
    "sleep",
    "timeout",
]
