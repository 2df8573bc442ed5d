"""XXH3 in pure Python: the hash of xxHash with 64 and with 128 bits, without a seed and with the default secret.

``xxh3.py`` uses this module where the package xxhash is not installed. Each function follows the published algorithm,
which treats five ranges of lengths differently. Numbers are unsigned and little-endian.
"""

from __future__ import annotations

import struct

__all__ = ["xxh3_64", "xxh3_128"]

_M32 = 0xFFFFFFFF
_M64 = 0xFFFFFFFFFFFFFFFF
_M128 = (1 << 128) - 1

_P32_1, _P32_2, _P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
_P64_1, _P64_2, _P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P64_4, _P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_MIX_1, _MIX_2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)

_two = struct.Struct("<2Q").unpack_from
_eight = struct.Struct("<8Q").unpack_from

STRIPE = 64
#: Stripes of a block: the secret moves by 8 bytes with each stripe, and the last 64 bytes of it end the block.
STRIPES = (len(_SECRET) - STRIPE) // 8
BLOCK = STRIPE * STRIPES

_KEYS = [_eight(_SECRET, 8 * number) for number in range(STRIPES)]
_SCRAMBLE_KEYS = _eight(_SECRET, len(_SECRET) - STRIPE)
_LAST_KEYS = _eight(_SECRET, len(_SECRET) - STRIPE - 7)
_START = (_P32_3, _P64_1, _P64_2, _P64_3, _P64_4, _P32_2, _P64_5, _P32_1)


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _secret_pair(at: int) -> int:
    """The two numbers of the secret from ``at``, combined with xor."""
    return _u64(_SECRET, at) ^ _u64(_SECRET, at + 8)


def _swap32(number: int) -> int:
    return int.from_bytes(number.to_bytes(4, "little"), "big")


def _swap64(number: int) -> int:
    return int.from_bytes(number.to_bytes(8, "little"), "big")


def _rotated(number: int, bits: int) -> int:
    return (number << bits | number >> (64 - bits)) & _M64


def _folded(one: int, other: int) -> int:
    """The halves of the product of two numbers, combined with xor."""
    product = one * other
    return (product ^ product >> 64) & _M64


def _avalanche(number: int) -> int:
    number ^= number >> 37
    number = number * _MIX_1 & _M64
    return number ^ number >> 32


def _avalanche_short(number: int) -> int:
    """The last step of XXH64, which XXH3 uses for up to three bytes."""
    number ^= number >> 33
    number = number * _P64_2 & _M64
    number ^= number >> 29
    number = number * _P64_3 & _M64
    return number ^ number >> 32


def _mixed(data: bytes, at: int, secret_at: int) -> int:
    """Mixes 16 bytes of ``data`` with 16 bytes of the secret."""
    low, high = _two(data, at)
    key_low, key_high = _two(_SECRET, secret_at)
    return _folded(low ^ key_low, high ^ key_high)


def _short_word(data: bytes) -> int:
    """Up to three bytes and their number as one number with 32 bits."""
    size = len(data)
    return data[0] << 16 | data[size >> 1] << 24 | data[-1] | size << 8


def _accumulated(data: bytes) -> list[int]:
    """The eight accumulators after all stripes of ``data``, which is longer than 240 bytes."""
    totals = list(_START)
    blocks = (len(data) - 1) // BLOCK
    for block in range(blocks):
        for number in range(STRIPES):
            _add_stripe(totals, _eight(data, block * BLOCK + number * STRIPE), _KEYS[number])
        for lane, key in enumerate(_SCRAMBLE_KEYS):
            total = totals[lane]
            totals[lane] = ((total ^ total >> 47) ^ key) * _P32_1 & _M64
    begin = blocks * BLOCK
    for number in range((len(data) - 1 - begin) // STRIPE):
        _add_stripe(totals, _eight(data, begin + number * STRIPE), _KEYS[number])
    _add_stripe(totals, _eight(data, len(data) - STRIPE), _LAST_KEYS)
    return totals


def _add_stripe(totals: list[int], words: tuple[int, ...], keys: tuple[int, ...]) -> None:
    for lane in range(8):
        word = words[lane]
        keyed = word ^ keys[lane]
        totals[lane ^ 1] = (totals[lane ^ 1] + word) & _M64
        totals[lane] = (totals[lane] + (keyed & _M32) * (keyed >> 32)) & _M64


def _merged(totals: list[int], secret_at: int, start: int) -> int:
    keys = _eight(_SECRET, secret_at)
    for lane in range(0, 8, 2):
        start += _folded(totals[lane] ^ keys[lane], totals[lane + 1] ^ keys[lane + 1])
    return _avalanche(start & _M64)


def xxh3_64(data: bytes) -> int:
    """Returns the hash of ``data`` with 64 bits."""
    size = len(data)
    if size > 240:
        return _merged(_accumulated(data), 11, size * _P64_1 & _M64)
    if size > 16:
        return _middle_64(data)
    if size > 8:
        low = _u64(data, 0) ^ _secret_pair(24)
        high = _u64(data, size - 8) ^ _secret_pair(40)
        return _avalanche((size + _swap64(low) + high + _folded(low, high)) & _M64)
    if size > 3:
        keyed = (_u32(data, size - 4) + (_u32(data, 0) << 32)) ^ _secret_pair(8)
        keyed ^= _rotated(keyed, 49) ^ _rotated(keyed, 24)
        keyed = keyed * _MIX_2 & _M64
        keyed ^= (keyed >> 35) + size
        keyed = keyed * _MIX_2 & _M64
        return keyed ^ keyed >> 28
    if size:
        return _avalanche_short(_short_word(data) ^ _u32(_SECRET, 0) ^ _u32(_SECRET, 4))
    return _avalanche_short(_secret_pair(56))


def _middle_64(data: bytes) -> int:
    """The hash of 17 to 240 bytes."""
    size = len(data)
    total = size * _P64_1
    if size <= 128:
        for number in range((size - 1) // 32 + 1):
            total += _mixed(data, 16 * number, 32 * number)
            total += _mixed(data, size - 16 * (number + 1), 32 * number + 16)
        return _avalanche(total & _M64)
    for number in range(8):
        total += _mixed(data, 16 * number, 16 * number)
    total = _avalanche(total & _M64)
    for number in range(8, size // 16):
        total += _mixed(data, 16 * number, 16 * (number - 8) + 3)
    return _avalanche((total + _mixed(data, size - 16, 119)) & _M64)


def xxh3_128(data: bytes) -> int:
    """Returns the hash of ``data`` with 128 bits."""
    size = len(data)
    if size > 240:
        totals = _accumulated(data)
        low = _merged(totals, 11, size * _P64_1 & _M64)
        high = _merged(totals, 117, ~(size * _P64_2) & _M64)
    elif size > 16:
        low, high = _middle_128(data)
    elif size > 8:
        low, high = _nine_to_sixteen_128(data)
    elif size > 3:
        keyed = (_u32(data, 0) + (_u32(data, size - 4) << 32)) ^ _secret_pair(16)
        product = keyed * (_P64_1 + (size << 2))
        low = product & _M64
        high = ((product >> 64) + (low << 1)) & _M64
        low ^= high >> 3
        low = (low ^ low >> 35) * _MIX_2 & _M64
        low ^= low >> 28
        high = _avalanche(high)
    elif size:
        word = _short_word(data)
        swapped = _swap32(word)
        other = (swapped << 13 | swapped >> 19) & _M32
        low = _avalanche_short(word ^ _u32(_SECRET, 0) ^ _u32(_SECRET, 4))
        high = _avalanche_short(other ^ _u32(_SECRET, 8) ^ _u32(_SECRET, 12))
    else:
        low = _avalanche_short(_secret_pair(64))
        high = _avalanche_short(_secret_pair(80))
    return high << 64 | low


def _nine_to_sixteen_128(data: bytes) -> tuple[int, int]:
    size = len(data)
    first, last = _u64(data, 0), _u64(data, size - 8)
    product = (first ^ last ^ _secret_pair(32)) * _P64_1
    low = ((product & _M64) + (size - 1 << 54)) & _M64
    last ^= _secret_pair(48)
    high = ((product >> 64) + last + (last & _M32) * (_P32_2 - 1)) & _M64
    low ^= _swap64(high)
    product = (low * _P64_2 + (high * _P64_2 << 64)) & _M128
    return _avalanche(product & _M64), _avalanche(product >> 64)


def _middle_128(data: bytes) -> tuple[int, int]:
    """The halves of the hash of 17 to 240 bytes."""
    size = len(data)
    low, high = size * _P64_1 & _M64, 0
    if size <= 128:
        for number in reversed(range((size - 1) // 32 + 1)):
            low, high = _add_32(data, 16 * number, size - 16 * (number + 1), 32 * number, low, high)
    else:
        for at in range(0, 128, 32):
            low, high = _add_32(data, at, at + 16, at, low, high)
        low, high = _avalanche(low), _avalanche(high)
        for at in range(128, size - 31, 32):
            low, high = _add_32(data, at, at + 16, at - 125, low, high)
        low, high = _add_32(data, size - 16, size - 32, 103, low, high)
    total = low * _P64_1 + high * _P64_4 + size * _P64_2
    return _avalanche((low + high) & _M64), -_avalanche(total & _M64) & _M64


def _add_32(data: bytes, one: int, other: int, secret_at: int, low: int, high: int) -> tuple[int, int]:
    """Adds the 16 bytes at ``one`` and the 16 bytes at ``other`` to the halves of a hash."""
    low = low + _mixed(data, one, secret_at) & _M64
    low ^= sum(_two(data, other)) & _M64
    high = high + _mixed(data, other, secret_at + 16) & _M64
    return low, high ^ sum(_two(data, one)) & _M64
