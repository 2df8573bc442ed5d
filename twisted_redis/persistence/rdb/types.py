"""Versions of the format, and the opcodes that say what follows in a file.

The numbers of encodings of values stand with the codecs of the types; they are below ``FIRST_OPCODE``.
"""

from __future__ import annotations

VERSION = 12
"""The version of the format: the one that Redis 7.4 and 8.0 write, and the newest that can be read here."""

VALKEY_VERSION = 80
"""The version of dumps that Valkey 9 makes.  They are read, so that keys can move here from nodes of Valkey."""

OF_VALKEY = 1 << 8
"""Added to the number of an encoding that Redis uses for another one.  No file contains such a number."""

OLDEST_TARGET = 10
"""The version that Redis 7.0 writes; values are written for no version before it."""

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

FIRST_OPCODE = SLOT_INFO
