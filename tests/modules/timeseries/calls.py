"""Random calls of the time series commands, always the same ones for a seed.

The oracle ends with a crash or an assertion on some calls, so these are never made:

- TS.DEL on a series with a rule whose target is compressed (it takes the target for an uncompressed series);
- twa with EMPTY on a range that ends before it starts, or that starts in a bucket before 0;
- TIMESTAMP, REDUCE or AGGREGATION as the last word (it reads behind the arguments).

Neither are those on which it is wrong (docs/compatibility.md):

- EMPTY in reverse on a compressed series, which shows samples of other buckets, or never ends;
- a rule whose target has a retention, which may add an error to the reply of TS.ADD;
- a smaller CHUNK_SIZE for chunks with a single sample, which loses samples;
- an increment that is refused and leaves an empty series behind;
- RENAME onto a key, which leaves the labels of the overwritten series in the index.
"""

from __future__ import annotations

from random import Random

AGGREGATORS = ["avg", "first", "last", "min", "max", "sum", "range", "count", "std.p", "std.s", "var.p", "var.s", "twa"]
POLICIES = ["block", "first", "last", "min", "max", "sum"]
VALUES = [
    "1",
    "2.5",
    "-3",
    "0",
    "-0",
    "0.1",
    "1e10",
    "1e-7",
    "123456.789",
    "1e300",
    "1.7e308",
    "7",
    "7",
    "0.30000000000000004",
]
LABELS = {"room": ["kitchen", "hall", "attic"], "kind": ["heat", "light"], "x": ["1", "2", "3"]}
JUNK = [
    "",
    "-",
    "+",
    "abc",
    "-1",
    "0",
    "99999999999999999999",
    "1.5",
    "LABELS",
    "COUNT",
    "nan",
    "inf",
    "a=(b",
    "12.0e",
    "7 ",
    "=",
    "!=",
]


class Calls:
    """Makes calls.  ``span`` is the length (ms) of the time in which the samples are."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.keys = [f"k{number}" for number in range(self.random.choice([3, 6, 10]))]
        self.span = self.random.choice([30, 200, 5000, 10**9])
        self.late = self.random.choice([0.0, 0.05, 0.5])
        self.chunk = self.random.choice(["48", "64", "128", "4096"])
        self.clock = self.random.choice([0, 5, 1000, 1700000000000])
        self.start = self.clock
        #: The keys with a retention, which are no targets of rules.
        self.kept = {key for key in self.keys if self.random.random() < 0.4}
        #: The keys whose series are uncompressed, and the targets that the rules of each key may have.
        self.plain = {key for key in self.keys if self.random.random() < 0.4}
        self.targets: dict[str, set[str]] = {}

    def sample_key(self) -> str:
        """Returns a key for a new sample.  Rules alone write to their targets if there are late samples."""
        key = self.key()
        return self.key() if self.late and any(key in targets for targets in self.targets.values()) else key

    def pick(self, *items: str) -> str:
        return self.random.choice(items)

    def maybe(self, chance: float, *words: str) -> list[str]:
        return list(words) if self.random.random() < chance else []

    def key(self) -> str:
        return self.random.choice(self.keys) if self.random.random() < 0.97 else "missing"

    def time(self) -> str:
        if self.random.random() < self.late:
            return str(max(0, self.clock - self.random.randint(0, self.span)))
        self.clock += self.random.choice([0, 1, 1, 10, self.random.randint(0, max(1, self.span // 20))])
        return str(self.clock)

    def old_time(self) -> int:
        return max(0, self.clock - self.random.randint(-5, self.span))

    def value(self) -> str:
        kind = self.random.random()
        if kind < 0.5:
            return self.random.choice(VALUES)
        if kind < 0.6:
            number = self.random.uniform(-10, 10) * 10.0 ** self.random.randint(-12, 17)
            return self.random.choice([repr(number), f"{number:.17e}", f"{number:.5f}"])
        return repr(round(self.random.uniform(-1000, 1000), self.random.choice([0, 2, 12])))

    def labels(self) -> list[str]:
        words = ["LABELS"]
        for name, values in LABELS.items():
            words += self.maybe(0.6, name, self.random.choice(values))
        return words + self.maybe(0.03, "odd")

    def encoding(self, key: str) -> list[str]:
        if key in self.plain:
            return self.random.choice([["ENCODING", "UNCOMPRESSED"], ["encoding", "uncompressed"], ["UNCOMPRESSED"]])
        return self.maybe(0.2, "ENCODING", "COMPRESSED")

    def options(self, key: str, *, sized: bool = True) -> list[str]:
        words = []
        if key in self.kept:
            words += self.maybe(0.5, "RETENTION", str(self.random.choice([0, 10, self.span // 2, 10**6])))
        words += self.maybe(0.6, "CHUNK_SIZE", self.chunk if sized else "4096")
        words += self.maybe(0.4, "DUPLICATE_POLICY", self.random.choice(POLICIES))
        words += self.maybe(0.15, "IGNORE", self.pick("0", "5", "100"), self.pick("0", "1.5", "10"))
        return words + (self.labels() if self.random.random() < 0.6 else [])

    # calls

    def create(self) -> list[str]:
        key = self.key()
        return ["TS.CREATE", key, *self.encoding(key), *self.options(key)]

    def alter(self) -> list[str]:
        key = self.key()
        return ["TS.ALTER", key, *self.options(key, sized=False)]

    def add(self) -> list[str]:
        key = self.sample_key()
        options = self.maybe(0.3, "ON_DUPLICATE", self.random.choice(POLICIES)) + self.encoding(key)
        if self.random.random() < 0.2:
            options += self.options(key)
        return ["TS.ADD", key, self.time(), self.value(), *options]

    def madd(self) -> list[str]:
        words = ["TS.MADD"]
        for _ in range(self.random.randint(1, 5)):
            words += [self.sample_key(), self.time(), self.value()]
        return words

    def change(self) -> list[str]:
        key = self.sample_key()
        words = [self.pick("TS.INCRBY", "TS.DECRBY"), key, self.value(), "TIMESTAMP", self.time(), *self.encoding(key)]
        return words + (self.options(key) if self.random.random() < 0.2 else [])

    def rule(self) -> list[str]:
        source, target = self.key(), self.random.choice([key for key in self.keys if key not in self.kept] or ["none"])
        if source not in self.targets or self.random.random() < 0.2:
            self.targets.setdefault(source, set()).add(target)
            duration = str(self.random.choice([1, 10, 10, max(1, self.span // 10), max(1, self.span // 3)]))
            alignment = self.maybe(0.4, str(self.random.choice([0, 3, 7, 10, 1000])))
            return [
                "TS.CREATERULE",
                source,
                target,
                "AGGREGATION",
                self.random.choice(AGGREGATORS),
                duration,
                *alignment,
            ]
        return ["TS.DELETERULE", source, self.random.choice(sorted(self.targets[source]))]

    def delete(self) -> list[str]:
        key = self.key()
        if not self.targets.get(key, set()) <= self.plain:
            return self.get()
        start = self.old_time()
        if self.random.random() < 0.1:
            return ["TS.DEL", key, "-", "+"]
        return ["TS.DEL", key, str(start), str(start + self.random.choice([0, 1, 10, self.span // 10, self.span]))]

    def query(self) -> list[str]:
        """Returns a range with its options."""
        start, end = sorted((self.old_time(), self.old_time()))
        aggregator = self.random.choice(AGGREGATORS)
        duration = self.random.choice([1, 5, 10, max(1, self.span // 20), max(1, self.span // 4), 10**9])
        empty = self.random.random() < 0.4 and self.span / duration < 1000
        words = self.maybe(0.3, "LATEST")
        if self.random.random() < 0.15:
            words += ["FILTER_BY_TS", *(str(self.old_time()) for _ in range(self.random.choice([1, 5, 40, 140])))]
        if self.random.random() < 0.15:
            words += ["FILTER_BY_VALUE", self.pick("-10", "0", "-inf"), self.pick("10", "500", "+inf", "1e3")]
        words += self.maybe(0.2, "COUNT", str(self.random.choice([1, 2, 7, 1000])))
        if self.random.random() < 0.6:
            align = self.maybe(0.4, "ALIGN", self.pick("start", "end", "-", "+", "0", "3", "17", str(start)))
            words += align
            words += ["AGGREGATION", aggregator, str(duration)]
            stamp = self.maybe(0.3, "BUCKETTIMESTAMP", self.pick("start", "end", "mid", "-", "+", "~"))
            words += [*["EMPTY"] * empty, *stamp] if self.random.random() < 0.5 else [*stamp, *["EMPTY"] * empty]
            if empty:
                # Without a known beginning, the buckets from 0 on are empty.
                start = max(start, duration)
                return [str(start), str(max(start, end)), *words]
        lower = self.pick("-", str(start), str(start), "0")
        return [lower, self.pick("+", str(end), str(end)), *words]

    def range(self) -> list[str]:
        key, query = self.key(), self.query()
        backwards = "EMPTY" not in query or (key in self.plain and "twa" not in query)
        return [self.pick("TS.RANGE", "TS.REVRANGE") if backwards else "TS.RANGE", key, *query]

    def matchers(self) -> list[str]:
        words = []
        for _ in range(self.random.choice([1, 1, 2, 3])):
            name = self.random.choice(list(LABELS))
            first, second = (self.random.choice(LABELS[name]) for _ in range(2))
            words.append(
                self.pick(
                    *[f"{name}={first}"] * 6,
                    *[f"{name}=({first},{second})"] * 3,
                    f"{name}!={first}",
                    f"{name}=",
                    f"{name}!=",
                    f"{name}!=({first},{second})",
                    f"{name}=({first})",
                    f"{name}=()",
                    f"{name}=({first},)",
                    name,
                )
            )
        return words

    def selection(self) -> list[str]:
        return self.random.choice([[], ["WITHLABELS"], ["SELECTED_LABELS", "room", "KIND"], ["SELECTED_LABELS", "x"]])

    def mrange(self) -> list[str]:
        query = self.query()
        name = "TS.MRANGE" if "EMPTY" in query else self.pick("TS.MRANGE", "TS.MREVRANGE")
        words = [name, *query, *self.selection(), "FILTER", *self.matchers()]
        if self.random.random() < 0.4:
            reducers = [name for name in AGGREGATORS if name not in ("first", "last", "twa")]
            words += ["GROUPBY", self.random.choice([*LABELS, "nowhere"]), "REDUCE", self.random.choice(reducers)]
        return words

    def mget(self) -> list[str]:
        return ["TS.MGET", *self.maybe(0.3, "LATEST"), *self.selection(), "FILTER", *self.matchers()]

    def queryindex(self) -> list[str]:
        return ["TS.QUERYINDEX", *self.matchers()]

    def get(self) -> list[str]:
        return ["TS.GET", self.key(), *self.maybe(0.3, "LATEST")]

    def info(self) -> list[str]:
        return ["TS.INFO", self.key(), *self.maybe(0.5, "DEBUG")]

    def keyspace(self) -> list[str]:
        key, other = self.key(), self.key()
        kind = self.random.randrange(6)
        if kind == 0:
            return ["DEL", key]
        if kind == 1:
            pair = [key, f"{key}renamed"]
            return ["RENAMENX", *(pair if self.random.random() < 0.5 else reversed(pair))]
        if kind == 2 and all((key in keys) == (other in keys) for keys in (self.plain, self.kept)):
            return ["COPY", key, other, *self.maybe(0.5, "REPLACE")]
        if kind == 3:
            return ["SET", key, "text"]
        return ["TYPE", key] if kind == 4 else ["EXISTS", key, other]

    def broken(self, words: list[str]) -> list[str]:
        """Returns the call with a mistake."""
        place = self.random.randrange(1, len(words))
        kind = self.random.randrange(3)
        made = words[:place] + ([] if kind == 0 else [self.random.choice(JUNK)]) + words[place + (kind != 1) :]
        if made[-1].upper() in ("TIMESTAMP", "REDUCE", "AGGREGATION", "EMPTY") or made[0] == "TS.DEL":
            return words
        if "EMPTY" in made or words[1] in self.plain or made[0] in ("TS.CREATERULE", "TS.INCRBY", "TS.DECRBY"):
            return words
        return made

    def next(self) -> list[str]:
        """Returns the words of a call."""
        kinds = [
            (self.create, 6),
            (self.alter, 2),
            (self.add, 40),
            (self.madd, 8),
            (self.change, 5),
            (self.rule, 5),
            (self.delete, 5),
            (self.range, 18),
            (self.mrange, 10),
            (self.mget, 4),
            (self.queryindex, 4),
            (self.get, 4),
            (self.info, 5),
            (self.keyspace, 2),
        ]
        kind = self.random.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
        words = kind()
        return self.broken(words) if self.random.random() < 0.05 else words
