"""XXH3, in pure Python and by the package xxhash. DIGEST of real Redis 8.8.0 supplied the hashes with 64 bits."""

from __future__ import annotations

import pytest

from twisted_redis.datatypes import xxh3, xxh3_pure

DATA = bytes((number * 7 + number // 251) % 256 for number in range(5000))

# Each branch of the algorithm, and the lengths at its edges.
LENGTHS = [
    *range(300), 511, 512, 513, 575, 576, 577, 1023, 1024, 1025, 1087, 1088, 1089, 2047, 2048, 2049, 4096, 5000
]  # fmt: skip

BY_REDIS = {
    0: "2d06800538d394c2",
    1: "c44bdff4074eecdb",
    2: "9093381c8763d62e",
    3: "c3489259e968ad9e",
    4: "d3d60c1519014e89",
    7: "0ffc4827844c63a6",
    8: "b88dee77f6bf6980",
    9: "03688dcad730d826",
    12: "305c5bae3681d0e0",
    16: "9da23836adf2be1e",
    17: "f34c3c9cf5a112d1",
    31: "1c67766271b95c64",
    32: "99cb9ad0f1a11fbe",
    33: "c077b45492d29cde",
    64: "6efb76ff16f37561",
    65: "2640848e9137156b",
    96: "764d2d5db92942df",
    97: "077acb7e5f4fd940",
    128: "65f3c2c00fa93185",
    129: "28065c6ec25f5b25",
    159: "15e0ca00423af2a0",
    160: "cc592da68fea2254",
    161: "6409c7155c76d359",
    200: "7c64f3b17285e96a",
    239: "6ce0b13191e635ea",
    240: "4917a75c0ef8eed7",
    241: "541b19226f0052e8",
    256: "f2331523b74cf0a4",
    512: "717ea4dbb4b419c1",
    1023: "4e4c866306f8b848",
    1024: "ba464919c6bb3ccd",
    1025: "2aa0034e7827ee42",
    1088: "6120d50233c9c660",
    2048: "956f98bea3210c05",
    2049: "e26adc81a9c9e336",
    5000: "e69c7c10fe601e8d",
}


@pytest.mark.parametrize("function", [xxh3.xxh3_64, xxh3_pure.xxh3_64])
@pytest.mark.parametrize("length", BY_REDIS)
def test_64_bits_as_in_redis(function: object, length: int) -> None:
    assert callable(function)
    assert f"{function(DATA[:length]):016x}" == BY_REDIS[length]


@pytest.mark.parametrize("length", LENGTHS)
def test_pure_form_equals_the_package(length: int) -> None:
    xxhash = pytest.importorskip("xxhash")
    data = DATA[:length]
    assert xxh3_pure.xxh3_64(data) == xxhash.xxh3_64_intdigest(data)
    assert xxh3_pure.xxh3_128(data) == xxhash.xxh3_128_intdigest(data)
