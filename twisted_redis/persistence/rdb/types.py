"""Versions of the format, and the opcodes that say what follows in a file.

The numbers of encodings of values stand with the codecs of the types; they are below ``FIRST_OPCODE``.
"""

from __future__ import annotations

VERSION = 14
"""The newest version of the format that can be read here: the one that Redis 8.8 writes.

No file is written in it without need.  Each file and each dump has the lowest version that holds its values
(``least_version`` of their codecs), so that older servers can read what they know.
"""

VALKEY_VERSION = 80
"""The version of the files and dumps that Valkey 9 makes.

They are read, so that data can move here from Valkey.  A snapshot in this version is written only for a replica that is
a Valkey: its encodings are those of version 11, and one more for hashes whose fields have expiry times.
"""

OF_VALKEY = 1 << 8
"""Added to the number of an encoding that Redis uses for another one.  No file contains such a number."""

LAST_OF_VALKEY = 22
"""The highest number of an encoding that Valkey 9 reads."""

OLDEST_TARGET = 10
"""The version that Redis 7.0 writes; values are written for no version before it."""

KEY_META = 243
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

FIRST_OPCODE = KEY_META
