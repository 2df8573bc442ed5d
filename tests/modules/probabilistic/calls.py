"""Random calls to the commands of the sketches, the same for the same seed.

The parameters are those that real Redis survives: a sketch that does not fit into memory ends it, and some keywords at
the end of a call make it read behind the arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Call = tuple[bytes, ...]

#: Keys that hold no sketch.
OTHERS = (b"text", b"missing")
NUMBERS = (b"0", b"-1", b"x", b"", b"1.5", b"+1", b"01", b" 1", b"9223372036854775808")


class Calls:
    """Makes calls of one family: ``bf``, ``cf``, ``cms``, ``topk`` or ``tdigest``."""

    def __init__(self, seed: int, family: str) -> None:
        self.random = Random(f"{family} {seed}")
        self.family = family
        self.keys = [b"%b%d" % (family.encode(), number) for number in range(5)]
        #: Functions with weights.
        self.choices: list[tuple[Callable[[], Call], int]] = getattr(self, f"_{family}")()

    def one(self) -> Call:
        """Returns the next call."""
        functions = [function for function, _ in self.choices]
        (chosen,) = self.random.choices(functions, [weight for _, weight in self.choices])
        call = chosen()
        if self.random.random() < 0.005:
            # Another number of arguments; a keyword must not lose its value.
            call = call[: self.random.randint(1, 2)]
        if self.random.random() < 0.1:
            call = (self.random.choice((call[0].lower(), call[0].title())), *call[1:])
        return call

    # parts of calls

    def key(self) -> bytes:
        """A key, which now and then holds no sketch."""
        return self.random.choice(OTHERS if self.random.random() < 0.03 else self.keys)

    def item(self) -> bytes:
        """An item that may come again, seldom an odd one."""
        if self.random.random() < 0.05:
            return self.random.randbytes(self.random.randint(0, 40))
        return b"item:%d" % min(int(self.random.expovariate(0.02)), 3000)

    def items(self, most: int = 6) -> Call:
        """One item or more."""
        return tuple(self.item() for _ in range(self.random.randint(1, most)))

    def number(self, *good: bytes) -> bytes:
        """One of the good numbers, or seldom a bad one."""
        return self.random.choice(NUMBERS if self.random.random() < 0.05 else good)

    def case(self, keyword: bytes) -> bytes:
        """A keyword in upper or lower case."""
        return self.random.choice((keyword, keyword.lower()))

    def maybe(self, chance: float, *words: bytes) -> Call:
        """The words with this probability."""
        return words if self.random.random() < chance else ()

    def common(self) -> Call:
        """A call that removes a sketch, gives it another name or a time to live, or asks for its type."""
        key = self.random.choice(self.keys)
        other = self.random.choice(self.keys)
        calls = (
            (b"DEL", key),
            (b"TYPE", key),
            (b"OBJECT", b"ENCODING", key),
            (b"RENAME", key, other),
            (b"GET", key),
            (b"EXPIRE", key, b"1000"),
            (b"EXISTS", key),
        )
        return self.random.choice(calls)

    def plain(self, name: bytes, *words: Callable[[], bytes]) -> Callable[[], Call]:
        """A function that makes a call of a key and these words."""
        return lambda: (name, self.key(), *(word() for word in words))

    def many(self, name: bytes) -> Callable[[], Call]:
        """A function that makes a call of a key and several items."""
        return lambda: (name, self.key(), *self.items())

    # Bloom filters

    def _bf(self) -> list[tuple[Callable[[], Call], int]]:
        return [
            (self._bf_reserve, 4),
            (self._bf_insert, 6),
            (self.plain(b"BF.ADD", self.item), 25),
            (self.many(b"BF.MADD"), 15),
            (self.plain(b"BF.EXISTS", self.item), 20),
            (self.many(b"BF.MEXISTS"), 10),
            (self.plain(b"BF.CARD"), 3),
            (self._bf_info, 6),
            (self.plain(b"BF.DEBUG"), 4),
            (self.plain(b"BF.SCANDUMP", lambda: self.number(b"0", b"1", b"9", b"100", b"145")), 3),
            (lambda: (b"BF.LOADCHUNK", self.key(), self.number(b"1", b"5", b"20"), self.random.randbytes(8)), 2),
            (self.common, 3),
        ]

    def _error_rate(self) -> bytes:
        bad = (b"0", b"1", b"1.5", b"-0.1", b"nan", b"inf", b"x", b"", b" 0.1", b"0.1 ", b"-0")
        good = (b"0.01", b"0.5", b"0.001", b"1e-10", b"0x1p-4", b".25", b"0.9999", b"1e-300")
        return self.random.choice(bad if self.random.random() < 0.1 else good)

    def _bf_reserve(self) -> Call:
        expansion = (self.case(b"EXPANSION"), self.number(b"1", b"2", b"4", b"4294967297"))
        options = (
            *self.maybe(0.3, *expansion),
            *self.maybe(0.2, self.case(b"NONSCALING")),
            *self.maybe(0.02, b"EXPANSION"),
        )
        capacity = self.number(b"1", b"3", b"10", b"100", b"1000", b"50000")
        return (b"BF.RESERVE", self.key(), self._error_rate(), capacity, *options)

    def _bf_insert(self) -> Call:
        options = [
            self.maybe(0.3, self.case(b"CAPACITY"), self.number(b"1", b"7", b"64", b"2000")),
            self.maybe(0.3, self.case(b"ERROR"), self._error_rate()),
            self.maybe(0.3, self.case(b"EXPANSION"), self.number(b"1", b"2", b"3")),
            self.maybe(0.2, self.case(b"NOCREATE")),
            self.maybe(0.2, self.case(b"NONSCALING")),
            self.maybe(0.03, self.random.choice((b"x", b"", b"n", b"e", b"cap"))),
        ]
        self.random.shuffle(options)
        words = [word for option in options for word in option]
        return (b"BF.INSERT", self.key(), *words, *self.maybe(0.97, self.case(b"ITEMS"), *self.items()))

    def _bf_info(self) -> Call:
        fields = (b"CAPACITY", b"size", b"Filters", b"ITEMS", b"expansion", b"x", b"")
        return (b"BF.INFO", self.key(), *self.maybe(0.6, self.random.choice(fields)))

    # Cuckoo filters

    def _cf(self) -> list[tuple[Callable[[], Call], int]]:
        return [
            (self._cf_reserve, 4),
            (self._cf_insert, 12),
            (self.plain(b"CF.ADD", self.item), 20),
            (self.plain(b"CF.ADDNX", self.item), 10),
            (self.plain(b"CF.EXISTS", self.item), 10),
            (self.many(b"CF.MEXISTS"), 10),
            (self.plain(b"CF.COUNT", self.item), 8),
            (self.plain(b"CF.DEL", self.item), 15),
            (self.plain(b"CF.COMPACT"), 1),
            (self.plain(b"CF.INFO"), 5),
            (self.plain(b"CF.DEBUG"), 4),
            (self.plain(b"CF.SCANDUMP", lambda: self.number(b"0", b"1", b"9", b"100")), 3),
            (lambda: (b"CF.LOADCHUNK", self.key(), self.number(b"1", b"5", b"20"), self.random.randbytes(8)), 2),
            (self.common, 2),
        ]

    def _cf_reserve(self) -> Call:
        options = [
            self.maybe(0.4, self.case(b"BUCKETSIZE"), self.number(b"1", b"2", b"4", b"7", b"255", b"256")),
            self.maybe(0.4, self.case(b"MAXITERATIONS"), self.number(b"1", b"5", b"50", b"65536")),
            self.maybe(0.5, self.case(b"EXPANSION"), self.number(b"0", b"1", b"2", b"3", b"32769")),
            self.maybe(0.02, b"EXTRA", b"1"),
        ]
        self.random.shuffle(options)
        capacity = self.number(b"1", b"2", b"4", b"16", b"20", b"100", b"1000", b"5000")
        return (b"CF.RESERVE", self.key(), capacity, *(word for option in options for word in option))

    def _cf_insert(self) -> Call:
        options = [
            self.maybe(0.3, self.case(b"CAPACITY"), self.number(b"1", b"4", b"8", b"64", b"2000")),
            self.maybe(0.2, self.case(b"NOCREATE")),
            self.maybe(0.03, self.random.choice((b"x", b"", b"n", b"cap"))),
        ]
        self.random.shuffle(options)
        words = [word for option in options for word in option]
        name = self.random.choice((b"CF.INSERT", b"CF.INSERTNX"))
        return (name, self.key(), *words, *self.maybe(0.97, self.case(b"ITEMS"), *self.items()))

    # Count-Min sketches

    def _cms(self) -> list[tuple[Callable[[], Call], int]]:
        sizes = (b"1", b"3", b"10", b"100")
        return [
            (self.plain(b"CMS.INITBYDIM", lambda: self.number(*sizes), lambda: self.number(b"1", b"2", b"5")), 6),
            (self.plain(b"CMS.INITBYPROB", self._share, self._share), 5),
            (self._cms_incrby, 40),
            (self.many(b"CMS.QUERY"), 25),
            (self._cms_merge, 12),
            (self.plain(b"CMS.INFO"), 8),
            (self.common, 4),
        ]

    def _share(self) -> bytes:
        bad = (b"0", b"1", b"1.5", b"-0.1", b"nan", b"inf", b"x", b"", b" 0.1", b"-0")
        good = (b"0.5", b"0.1", b"0.01", b"0.002", b"0.125", b"0.25", b"0.001", b"0.9", b"1e-5", b"0.3")
        return self.random.choice(bad if self.random.random() < 0.1 else good)

    def _amount(self) -> bytes:
        return self.number(
            b"0", b"1", b"2", b"7", b"1000", b"2147483648", b"4294967295", b"4294967296", b"9007199254740993"
        )

    def _cms_incrby(self) -> Call:
        pairs = [(item, self._amount()) for item in self.items(4)]
        return (b"CMS.INCRBY", self.key(), *(word for pair in pairs for word in pair))

    def _cms_merge(self) -> Call:
        sources = [self.key() for _ in range(self.random.randint(1, 3))]
        weights = [self.number(b"1", b"2", b"-1", b"0", b"100000", b"9223372036854775807") for _ in sources]
        length = len(sources) if self.random.random() < 0.95 else len(sources) + 1
        words = self.maybe(0.4, self.case(b"WEIGHTS"), *weights, *self.maybe(0.03, b"1"))
        return (b"CMS.MERGE", self.key(), b"%d" % length, *sources, *words)

    # Top-K; the decay is 1 or nearly 0, so that chance decides nothing

    def _topk(self) -> list[tuple[Callable[[], Call], int]]:
        return [
            (self._topk_reserve, 6),
            (self.many(b"TOPK.ADD"), 30),
            (self._topk_incrby, 20),
            (self.many(b"TOPK.QUERY"), 15),
            (self.many(b"TOPK.COUNT"), 15),
            (self._topk_list, 8),
            (self.plain(b"TOPK.INFO"), 3),
            (self.common, 2),
        ]

    def _topk_reserve(self) -> Call:
        decay = self.random.choice((b"1", b"1", b"1e-300", b"1e-300", b"0", b"1.5", b"-1", b"x", b"nan"))
        sizes = (self.number(b"2", b"8", b"50"), self.number(b"1", b"3", b"7"))
        words = self.maybe(0.98, *sizes, decay)
        return (b"TOPK.RESERVE", self.key(), self.number(b"1", b"3", b"10", b"50"), *(words or (b"x",)))

    def _topk_incrby(self) -> Call:
        pairs = [(item, self.random.choice((b"0", b"1", b"2", b"10", b"100000"))) for item in self.items(4)]
        if self.random.random() < 0.1:
            # Behind a bad increment, real Redis replies with fewer elements than it has announced.
            pairs[-1] = (pairs[-1][0], self.random.choice((b"-1", b"100001", b"x", b"")))
        return (b"TOPK.INCRBY", self.key(), *(word for pair in pairs for word in pair))

    def _topk_list(self) -> Call:
        return (b"TOPK.LIST", self.key(), *self.maybe(0.6, self.random.choice((b"WITHCOUNT", b"withc", b"", b"x"))))

    # t-digests

    def _tdigest(self) -> list[tuple[Callable[[], Call], int]]:
        return [
            (self._tdigest_create, 4),
            (self._tdigest_add, 40),
            (self.plain(b"TDIGEST.RESET"), 1),
            (self._tdigest_merge, 3),
            (self.plain(b"TDIGEST.MIN"), 3),
            (self.plain(b"TDIGEST.MAX"), 3),
            (self._tdigest_values(b"TDIGEST.RANK", self._value), 8),
            (self._tdigest_values(b"TDIGEST.REVRANK", self._value), 8),
            (self._tdigest_values(b"TDIGEST.BYRANK", self._rank), 8),
            (self._tdigest_values(b"TDIGEST.BYREVRANK", self._rank), 8),
            (self._tdigest_values(b"TDIGEST.CDF", self._value), 8),
            (self._tdigest_values(b"TDIGEST.QUANTILE", self._quantile), 10),
            (self.plain(b"TDIGEST.TRIMMED_MEAN", self._quantile, self._quantile), 6),
            (self.plain(b"TDIGEST.INFO"), 5),
            (self.common, 1),
        ]

    def _tdigest_values(self, name: bytes, value: Callable[[], bytes]) -> Callable[[], Call]:
        return lambda: (name, self.key(), *(value() for _ in range(self.random.randint(1, 5))))

    def _value(self) -> bytes:
        chance = self.random.random()
        if chance < 0.02:
            return self.random.choice(
                (b"nan", b"inf", b"-inf", b"x", b"", b"1e400", b" 1", b"0x10", b"-0.0", b"1e-320")
            )
        if chance < 0.5:
            return b"%d" % self.random.randint(-20, 20)
        return b"%r" % (self.random.gauss(0, 10) if chance < 0.99 else self.random.gauss(0, 1e308))

    def _rank(self) -> bytes:
        return self.number(b"0", b"1", b"2", b"%d" % self.random.randint(0, 300), b"9223372036854775807")

    def _quantile(self) -> bytes:
        bad = (b"nan", b"1.1", b"-0.1", b"inf", b"x", b"", b"-0", b"1e-320")
        good = (b"0", b"1", b"0.5", b"0.25", b"0.99", b"%r" % self.random.random())
        return self.random.choice(bad if self.random.random() < 0.05 else good)

    def _tdigest_create(self) -> Call:
        options = (self.case(b"COMPRESSION"), self.number(b"1", b"2", b"10", b"100", b"500"))
        return (b"TDIGEST.CREATE", self.key(), *self.maybe(0.7, *options), *self.maybe(0.03, b"x"))

    def _tdigest_add(self) -> Call:
        length = self.random.choice((1, 1, 3, 10, 50))
        return (b"TDIGEST.ADD", self.key(), *(self._value() for _ in range(length)))

    def _tdigest_merge(self) -> Call:
        sources = [self.key() for _ in range(self.random.randint(1, 3))]
        length = len(sources) if self.random.random() < 0.95 else self.random.choice((0, -1, 9))
        options = (
            *self.maybe(0.3, self.case(b"COMPRESSION"), self.number(b"1", b"20", b"200")),
            *self.maybe(0.3, self.case(b"OVERRIDE")),
            *self.maybe(0.03, b"COMPRESSION"),
            *self.maybe(0.03, b"x"),
        )
        return (b"TDIGEST.MERGE", self.key(), b"%d" % length, *sources, *options)
