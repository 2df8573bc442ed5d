"""The numbers that say what follows: types of values, and opcodes of files."""

from __future__ import annotations

VERSION = 12
"""The version of the format: the one that Redis 7.4 and 8.0 write, and the newest that can be read here."""

OLDEST_TARGET = 10
"""The version that Redis 7.0 writes; values are written for no version before it."""

STRING = 0
LIST = 1
SET = 2
ZSET = 3
HASH = 4
ZSET_2 = 5
MODULE_PRE_GA = 6
MODULE_2 = 7
HASH_ZIPMAP = 9
LIST_ZIPLIST = 10
SET_INTSET = 11
ZSET_ZIPLIST = 12
HASH_ZIPLIST = 13
LIST_QUICKLIST = 14
STREAM_LISTPACKS = 15
HASH_LISTPACK = 16
ZSET_LISTPACK = 17
LIST_QUICKLIST_2 = 18
STREAM_LISTPACKS_2 = 19
SET_LISTPACK = 20
STREAM_LISTPACKS_3 = 21
HASH_METADATA_PRE_GA = 22
HASH_LISTPACK_EX_PRE_GA = 23
HASH_METADATA = 24
HASH_LISTPACK_EX = 25

SLOT_INFO = 244
FUNCTION2 = 245
FUNCTION_PRE_GA = 246
MODULE_AUX = 247
IDLE = 248
FREQ = 249
AUX = 250
RESIZE_DB = 251
EXPIRE_TIME_MS = 252
EXPIRE_TIME = 253
SELECT_DB = 254
EOF = 255

NODE_PLAIN = 1
"""A node of a quicklist that is one large element."""
NODE_PACKED = 2
"""A node of a quicklist that is a listpack."""
