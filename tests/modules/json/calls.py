"""Calls of JSON commands, made by chance from a seed: documents, paths, values, wrong arguments and wrong types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

NAMES = ["a", "b", "c", "ab", "x y", "é", "0", "a'b", 'q"t']
KEYS = [b"k1", b"k2", b"k3", b"k4"]
MISSING, STRING = b"missing", b"string"

#: Documents that the paths below find something in.
SHOP = {
    "a": {"b": 1, "c": [1, 2, 3, {"a": 5}], "ab": "text"},
    "b": [True, None, 1.5, "abc", [], {}, [1, [2, [3]]]],
    "c": [{"a": 1, "b": "x"}, {"a": 2, "b": "xy"}, {"a": 2.0, "c": {"a": 3}}, {"b": None}],
    "0": {"1": "one"},
    "é": "straße",
    "x y": [0, -0.0, 1e22, 18446744073709551615, -9223372036854775808, 9223372036854775807],
}

SIMPLE_PATHS = [
    "$", ".", "$.a", "$.b", "$.c", ".a", "a", "b", ".b", "c", ".c", "$.a.b", ".a.b", "a.b", "$.a.c", ".a.c", "$.c[0]",
    ".c[0]", "c[0].a", "$.c[-1]", ".c[-1]", "$.b[2]", "$['x y']", '$["x y"][3]', "$['é']", "$.missing", ".missing",
    "$.a.missing", "$.c[9]", ".c[9]", "$.b[4]", ".b[4]", "$.b[5]", ".b[5]", "$.b[0]", ".b[0]", "$.a.ab", ".a.ab",
]  # fmt: skip
MANY_PATHS = [
    "$.*", "$..*", "$..a", "$..b", "..a", "..b", "$.c[*].a", ".c[*].a", "$.b[*]", "$.c[0,1]", "$.c[1:]", "$.c[:2]",
    "$.c[::2]", "$.b[1:4:2]", "$.b[-3:]", "$..c[0]", "$..[0]", "$..[*]", '$["a","b"]', "$['a','c','a']", "$.c[0,0]",
    "$..['a','b']", "$.a[*]", "$.a.*", "$..a.b", "$.*.a", "$.c[-9]", "$[-1:]", "$.c[3:1]", "$.b[-2:9]", "$..c..a",
]  # fmt: skip
FILTERS = [
    "$.c[?(@.a==2)]", "$.c[?(@.a>1)].b", "$.c[?(@.a>=1 && @.b)]", '$.c[?(@.b=="x")]', "$..[?(@.a)]", "$.b[?(@>1)]",
    '$.c[?(@.b=~"x")]', '$.c[?(@.b =~ "^x.$")]', '$..[?(@=~"(?i)A")]', "$.c[?(@.a!=2)]", "$.c[?(@.a==$.a.b)]",
    "$.c[?(@.a<2||@.a==2.0)]", "$.c[?((@.a==1||@.a==2)&&@.b)]", "$.b[?(@==true)]", "$.b[?(@==null)]", "$.b[?(@)]",
    "$.c[?(@.c.a==3)]", "$.c[?(1<@.a)].a", '$.c[?("x"==@.b)]', "$.c[?(@==@)]", "$[?(@.b)]", "$.*[?(@.a)]",
    "$.b[?(@<=1.5)]", "$.c[?(@.a==@.a)]", "$.c[?@.a==1]", '$.c[?(@["a"]==1)]', "$.c[?(@.b==null)]", "$.a[?(@>0)]",
    "$.c[?(@.a>=1&&@.a<=2&&@.b!='x')]", "$.b[?(@!='abc')]", "$.b[?(@=='a\\'c')]", "$..a[?(@>1)]",
]  # fmt: skip
WRONG_PATHS = [
    "", "$[", "$.", "$..", "$.a.", "$[1", "$[?(", "$.a b", "$[?(@.a=1)]", "$[1,]", '$["a', "a..", "$$", "$a", "[0]",
    "$[01]", "$.é", "$.a[?(@.b==)]", "$[::0]", "$[(1)]", "..", "...", "$[']", "$.*x", "@.a", "$[-]", "$['a'b']",
]  # fmt: skip
WRONG_TEXTS = [
    "", "[", "{", '{"a"', '{"a":', "[1,]", '{"a":1,}', "nul", "truex", "1 2", '"a', '"\\x"', "01", "1.", "-", "1e400",
    "NaN", "'a'", "[1 2]", '{"a" 1}', '"\\ud800"', '"\x01"', "{1:2}", "[1}", "\x0b1", "tru", '{"a":1,2}',
]  # fmt: skip
SCALARS = [
    "1", "0", "-1", "1.5", "-0", "-0.0", "1e3", "1E22", "1e-7", "0.00001", "18446744073709551615",
    "9223372036854775808", "-9223372036854775809",
    "123456789012345678901234567890", "0.1234567890123456789", '"x"', '"é"', '"\\u00e9\\n"',
    '"\\ud83d\\ude00"', "true", "false", "null", '""', '"abc"', "2", "3.0",
    "100000000000000000000.5", "1.7976931348623157e308",
]  # fmt: skip


class Calls:
    """An endless sequence of calls; every call is a list of bytes."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.commands = [
            (getattr(self, name), 3 if name in ("json_set", "json_get") else 1)
            for name in sorted(dir(self))
            if name.startswith("json_")
        ]

    def __iter__(self) -> Iterator[list[bytes]]:
        functions = [function for function, _ in self.commands]
        weights = [weight for _, weight in self.commands]
        for number in range(1 << 62):
            if number % 40 == 0:
                yield from self.start()
            (function,) = self.random.choices(functions, weights)
            words = [word.encode("utf-8") if isinstance(word, str) else word for word in function()]
            yield self.spoilt(words) if self.random.random() < 0.04 else words

    def start(self) -> Iterator[list[bytes]]:
        """Puts documents to the keys anew."""
        yield [b"SET", STRING, b"x"]
        for key in KEYS:
            text = json.dumps(SHOP) if self.random.random() < 0.6 else self.document(4)
            yield [b"JSON.SET", key, b"$", text.encode("utf-8")]

    def spoilt(self, words: list[bytes]) -> list[bytes]:
        """A call with a word too few, too many, or of no UTF-8."""
        place = self.random.randint(1, len(words))
        kind = self.random.random()
        if kind < 0.4:
            return words[:place]
        if kind < 0.7:
            return [*words[:place], self.random.choice([b"\xff", b"x", b"1", b"$"]), *words[place:]]
        return [*words[:place], *words[place + 1 :]]

    def key(self) -> bytes:
        return self.random.choices([*KEYS, MISSING, STRING], [9, 9, 9, 9, 1, 1])[0]

    def path(self) -> str:
        kinds = [SIMPLE_PATHS, MANY_PATHS, FILTERS, WRONG_PATHS]
        kind = self.random.random()
        if kind < 0.1:
            return self.made_path()
        (chosen,) = self.random.choices(kinds, [6, 3, 2, 0.4])
        return self.random.choice(chosen)

    def made_path(self) -> str:
        path = self.random.choice(["$", "$", "$", ""])
        for _ in range(self.random.randint(1, 4)):
            name = self.random.choice(NAMES[:4])
            path += self.random.choice(
                [
                    f".{name}",
                    f"..{name}",
                    ".*",
                    "[*]",
                    f"[{self.random.randint(-4, 4)}]",
                    f"['{name}']",
                    f"[{self.random.randint(-3, 3)}:{self.random.randint(-3, 5)}]",
                    f"[?(@.{name}>={self.scalar()})]",
                    f"[?(@.{name})]",
                    f"[?(@=={self.scalar()})]",
                    "..*",
                    "..[0]",
                    f"[0,{self.random.randint(-2, 2)}]",
                ]
            )
        return path

    def scalar(self) -> str:
        return self.random.choice(SCALARS)

    def text(self) -> str:
        kind = self.random.random()
        if kind < 0.06:
            return self.random.choice(WRONG_TEXTS)
        return self.document(2) if kind < 0.45 else self.scalar()

    def document(self, depth: int) -> str:
        kind = self.random.random()
        if depth == 0 or kind < 0.35:
            return self.scalar()
        space = self.random.choice(["", "", " ", "\n"])
        count = self.random.choice([0, 1, 2, 3, 4, 5, 9])
        if kind < 0.65:
            return f"[{space}{f',{space}'.join(self.document(depth - 1) for _ in range(count))}{space}]"
        members = [f"{json.dumps(self.random.choice(NAMES))}:{space}{self.document(depth - 1)}" for _ in range(count)]
        return f"{{{space}{','.join(members)}}}"

    def number(self) -> str:
        return self.random.choice(["0", "1", "-1", "2", "-2", "3", "9", "-9", "100", "x", "9223372036854775807", "1.5"])

    def json_set(self) -> list[str | bytes]:
        words = ["JSON.SET", self.key(), self.path() if self.random.random() < 0.8 else "$", self.text()]
        kind = self.random.random()
        if kind < 0.25:
            words.append(self.random.choice(["NX", "XX", "nx", "xx", "zz"]))
        elif kind < 0.3:
            words += ["FORMAT", self.random.choice(["JSON", "STRING", "json", "x"])]
        return words

    def json_get(self) -> list[str | bytes]:
        words = ["JSON.GET", self.key()]
        for option in ("INDENT", "newline", "SPACE"):
            if self.random.random() < 0.08:
                words += [option, self.random.choice(["", " ", "\n", "--", "é"])]
        if self.random.random() < 0.1:
            words.append("NOESCAPE")
        if self.random.random() < 0.12:
            words += ["FORMAT", self.random.choice(["STRING", "EXPAND", "EXPAND1", "STRINGS", "x"])]
        return [*words, *(self.path() for _ in range(self.random.choice([0, 1, 1, 1, 1, 2, 3])))]

    def json_mget(self) -> list[str | bytes]:
        return ["JSON.MGET", *(self.key() for _ in range(self.random.randint(1, 4))), self.path()]

    def json_mset(self) -> list[str | bytes]:
        keys = self.random.sample([*KEYS, STRING] if self.random.random() < 0.1 else KEYS, self.random.randint(1, 3))
        words: list[str | bytes] = ["JSON.MSET"]
        for key in keys:
            words += [key, self.path(), self.text()]
        return words

    def json_merge(self) -> list[str | bytes]:
        value = self.random.choice(
            ['{"a":null}', '{"b":{"a":1,"x":null}}', '{"a":{"b":null,"c":7},"b":null}', self.text()]
        )
        return ["JSON.MERGE", self.key(), self.random.choice(["$", self.path()]), value]

    def json_del(self) -> list[str | bytes]:
        words = [self.random.choice(["JSON.DEL", "JSON.FORGET"]), self.key()]
        return [*words, self.path()] if self.random.random() < 0.9 else words

    def optional_path(self, name: str) -> list[str | bytes]:
        words = [name, self.key()]
        return [*words, self.path()] if self.random.random() < 0.85 else words

    def json_type(self) -> list[str | bytes]:
        return self.optional_path("JSON.TYPE")

    def json_strlen(self) -> list[str | bytes]:
        return self.optional_path("JSON.STRLEN")

    def json_arrlen(self) -> list[str | bytes]:
        return self.optional_path("JSON.ARRLEN")

    def json_objlen(self) -> list[str | bytes]:
        return self.optional_path("JSON.OBJLEN")

    def json_objkeys(self) -> list[str | bytes]:
        return self.optional_path("JSON.OBJKEYS")

    def json_resp(self) -> list[str | bytes]:
        return self.optional_path("JSON.RESP")

    def json_clear(self) -> list[str | bytes]:
        return self.optional_path("JSON.CLEAR")

    def json_debug(self) -> list[str | bytes]:
        return ["JSON.DEBUG", self.random.choice(["HELP", "help", "x"])]

    def json_numbers(self) -> list[str | bytes]:
        name = self.random.choice(["JSON.NUMINCRBY", "JSON.NUMMULTBY", "JSON.NUMPOWBY"])
        return [name, self.key(), self.path(), self.random.choice([self.number(), self.number(), self.text()])]

    def json_toggle(self) -> list[str | bytes]:
        return ["JSON.TOGGLE", self.key(), self.random.choice(["$.b[0]", ".b[0]", "$..*", self.path()])]

    def json_strappend(self) -> list[str | bytes]:
        words = ["JSON.STRAPPEND", self.key()]
        if self.random.random() < 0.9:
            words.append(self.random.choice(["$.a.ab", ".a.ab", "$..b", self.path()]))
        return [*words, self.random.choice(['"x"', '"é"', self.text()])]

    def array_path(self) -> str:
        return self.random.choice(["$.b", ".b", "$.a.c", ".a.c", "$.c", ".c", "$.*", "$.b[4]", self.path()])

    def json_arrappend(self) -> list[str | bytes]:
        return [
            "JSON.ARRAPPEND",
            self.key(),
            self.array_path(),
            *(self.text() for _ in range(self.random.randint(1, 3))),
        ]

    def json_arrindex(self) -> list[str | bytes]:
        words = ["JSON.ARRINDEX", self.key(), self.array_path(), self.text()]
        return [*words, *(self.number() for _ in range(self.random.choice([0, 0, 1, 2])))]

    def json_arrinsert(self) -> list[str | bytes]:
        values = (self.text() for _ in range(self.random.randint(1, 3)))
        return ["JSON.ARRINSERT", self.key(), self.array_path(), self.number(), *values]

    def json_arrpop(self) -> list[str | bytes]:
        words = ["JSON.ARRPOP", self.key()]
        if self.random.random() < 0.1:
            words += ["FORMAT", self.random.choice(["STRINGS", "EXPAND", "EXPAND1", "STRING", "x"])]
        if self.random.random() < 0.9:
            words.append(self.array_path())
            if self.random.random() < 0.6:
                words.append(self.number())
        return words

    def json_arrtrim(self) -> list[str | bytes]:
        return ["JSON.ARRTRIM", self.key(), self.array_path(), self.number(), self.number()]
