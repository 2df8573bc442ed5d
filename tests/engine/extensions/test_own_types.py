"""Mistakes in the methods of custom value types affect only the call that needs the method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.net.test_interrupted import is_clean
from tests.support.server import Server
from twisted_redis.extending import OK, RW, WRITE, Client, Module, OwnValue, first_key, load_module
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.own import MODULE_2
from twisted_redis.persistence.rdb.table import read_value, value_parts

BROKEN = b"ERR internal error"


class Faults:
    """The faulty behaviour of the methods of values."""

    def __init__(self) -> None:
        self.by_method: dict[str, Callable[[], Any]] = {}

    def told(self, method: str, right: Any) -> Any:
        fault = self.by_method.get(method)
        return right if fault is None else fault()


def raising(error: type[BaseException]) -> Callable[[], Any]:
    def fail() -> Any:
        raise error("told")

    return fail


def a_type(faults: Faults) -> type[OwnValue]:
    class Fragile(OwnValue):
        TYPE = b"fragile-1"

        def __len__(self) -> int:
            return faults.told("len", 1)  # type: ignore[no-any-return]

        def save(self) -> Any:
            return faults.told("save", [b"item", -1, 2.5])

        @classmethod
        def load(cls, items: list[Any], version: int) -> Any:
            return faults.told("load", cls())

        def copy(self) -> Any:
            return faults.told("copy", Fragile())

        def memory(self) -> Any:
            return faults.told("memory", 100)

        def encoding(self) -> Any:
            return faults.told("encoding", "raw")

    return Fragile


class Home:
    """Returns a server with a key ``v`` of such a type."""

    def __init__(self, **directives: Any) -> None:
        self.faults = Faults()
        self.cls = a_type(self.faults)
        self.server = Server(**directives)
        self.server.engine.log = lambda level, text: self.server.logged.append((level, text))
        module = Module("fragile")
        module.type(self.cls)

        @module.command("V.SET", arity=2, flags=WRITE, keys=first_key(RW))
        def store(ctx: Client, key: bytes) -> Any:
            ctx.db.set(key, self.cls())
            ctx.changed(key, "v.set")
            return OK

        load_module(self.server.engine, module)
        assert self.server("V.SET", "v") == OK

    def fail(self, method: str, fault: Callable[[], Any]) -> None:
        self.faults.by_method[method] = fault


@pytest.fixture
def home() -> Home:
    return Home()


ERRORS = [RuntimeError, SystemExit, KeyboardInterrupt, RecursionError, StopIteration]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("maxmemory", [0, 100 << 20])
def test_sizes_are_guessed_where_a_type_fails(error: type[BaseException], maxmemory: int) -> None:
    home = Home(maxmemory=maxmemory, maxmemory_policy="allkeys-lru")
    server = home.server
    recorder = server.record()
    for method in ("memory", "len"):
        home.fail(method, raising(error))
    for _ in range(200):
        assert server("V.SET", "w") == OK
    server.engine.eviction.measure()
    assert b"used_memory:" in server("INFO", "memory")
    assert server("INFO", "keysizes").startswith(b"# Keysizes\r\n")
    recorder.take()
    assert server("DEL", "v") == 1
    assert server("UNLINK", "w") == 1
    assert recorder.take() == [[b"DEL", b"v"], [b"UNLINK", b"w"]]
    assert server("V.SET", "v") == OK
    assert server("FLUSHALL", "ASYNC") == OK
    assert recorder.take()[-1][:1] == [b"FLUSHALL"]
    assert server("DBSIZE") == 0
    assert is_clean(server) == {}


@pytest.mark.parametrize("size", [1 << 70, -1, "100", None, 1.5])
def test_a_size_that_nothing_has_is_no_reason_to_evict(size: Any) -> None:
    home = Home(maxmemory=100 << 20, maxmemory_policy="allkeys-lru")
    home.fail("memory", lambda: size)
    assert home.server("V.SET", "w") == OK
    home.server.engine.eviction.measure()
    assert home.server("SET", "k", "value") == OK
    assert home.server("EXISTS", "v", "w", "k") == 3
    # A command that asks for the value gets an error.
    assert home.server("MEMORY", "USAGE", "v") == BROKEN
    assert home.server("DEBUG", "OBJECT", "v") == BROKEN


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        *[(raising(error), error.__name__) for error in ERRORS],
        (lambda: None, "NoneType"),
        (lambda: b"abc", "gives bytes instead of a sequence"),
        (lambda: "abc", "gives str instead of a sequence"),
        (lambda: ["text"], "'text', which is neither bytes nor a number"),
        (lambda: [None], "None, which is neither"),
        (lambda: [1 << 64], "more than 64 bits"),
        (lambda: [-(1 << 63) - 1], "more than 64 bits"),
    ],
)
def test_values_that_cannot_be_stored(home: Home, fault: Callable[[], Any], reason: str) -> None:
    value = home.cls()
    home.fail("save", fault)
    with pytest.raises(ValueError, match=f"a value of the type fragile-1 cannot be stored: .*{reason}"):
        value_parts(value)
    assert home.server("DUMP", "v") == BROKEN
    assert is_clean(home.server) == {}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        *[(raising(error), f"{error.__name__}: ") for error in ERRORS],
        (lambda: None, "gives NoneType in place of Fragile"),
        (lambda: b"bytes", "gives bytes in place of Fragile"),
    ],
)
def test_values_that_cannot_be_loaded(home: Home, fault: Callable[[], Any], reason: str) -> None:
    data = b"".join(value_parts(home.cls())[1])
    dump = home.server("DUMP", "v")
    home.fail("load", fault)
    with pytest.raises(CorruptData, match=f"'fragile-1', that the responsible module is not able to load: .*{reason}"):
        read_value(MODULE_2, data, 0, home.server.config)
    assert home.server("RESTORE", "w", 0, dump) == b"ERR Bad data format"
    assert home.server("EXISTS", "w") == 0


@pytest.mark.parametrize("fault", [*map(raising, ERRORS), lambda: None, lambda: b"bytes"])
def test_a_copy_that_fails_leaves_what_was_there(home: Home, fault: Callable[[], Any]) -> None:
    server = home.server
    server("SET", "w", "before")
    recorder = server.record()
    home.fail("copy", fault)
    assert server("COPY", "v", "w", "REPLACE") == BROKEN
    assert server("GET", "w") == b"before"
    assert recorder.take() == []


@pytest.mark.parametrize("fault", [*map(raising, ERRORS), lambda: None, lambda: b"raw"])
def test_an_encoding_is_text(home: Home, fault: Callable[[], Any]) -> None:
    home.fail("encoding", fault)
    assert home.server("OBJECT", "ENCODING", "v") == BROKEN


# declarations


def with_type(name: Any, **more: Any) -> Any:
    methods = {
        "TYPE": name,
        "__len__": lambda self: 1,
        "save": lambda self: [],
        "load": classmethod(lambda cls, items, version: cls()),
    }
    return type("Own", (OwnValue,), {**methods, **more})


def without(method: str) -> Any:
    cls = with_type(b"counter-1")
    delattr(cls, method)
    return cls


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (3, "must be a subclass of OwnValue, not 3"),
        (int, "must be a subclass of OwnValue"),
        (type("Own", (OwnValue,), {}), "Own needs a TYPE, nine characters as bytes"),
        (with_type("counter-1"), "Own needs a TYPE, nine characters as bytes"),
        (with_type(b"counter"), "the name of a type has 9 characters"),
        (with_type(b"counter-1", VERSION="1"), "the version of a type is a number from 0 to 1023, not '1'"),
        (with_type(b"counter-1", VERSION=1024), "the version of a type is a number from 0 to 1023, not 1024"),
        (without("save"), "Own needs a method save"),
        (without("load"), "Own needs a method load"),
        (without("__len__"), "Own needs a method __len__"),
        (with_type(b"counter-1", load=lambda self, items, version: self), r"so it must be a @classmethod"),
        (
            with_type(b"counter-1", load=classmethod(lambda cls, items: cls())),
            r"calls Own\.load\(items, version\), which",
        ),
        (with_type(b"counter-1", encoding=lambda self, config: "raw"), r"Own\.encoding\(\), .*: missing .* 'config'"),
        (with_type(b"counter-1", memory=64), r"the server calls Own\.memory\(\), which does not fit"),
    ],
)
def test_types_that_no_file_could_hold(cls: Any, reason: str) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        Module("types").type(cls)


@pytest.mark.parametrize(
    "methods",
    [
        {"encoding": lambda self, config=None: "raw"},
        {"encoding": staticmethod(lambda: "raw")},
        {"memory": lambda *arguments: 64},
        {"load": staticmethod(lambda items, version: None)},
    ],
)
def test_methods_that_the_server_can_call(methods: dict[str, Any]) -> None:
    Module("types").type(with_type(b"counter-1", **methods))


def test_two_types_of_one_name() -> None:
    module = Module("types")
    module.type(with_type(b"counter-1"))
    with pytest.raises(ValueError, match="Own and Own have the same TYPE counter-1"):
        module.type(with_type(b"counter-1"))


def test_a_value_of_a_type_that_was_not_declared(home: Home) -> None:
    db = home.server.engine.databases[0]
    for put in (db.set, db.replace, db.add):
        with pytest.raises(TypeError, match="Own is no type of a loaded module: declare it with @module.type"):
            put(b"k", with_type(b"unknown-1")())
        with pytest.raises(TypeError, match="Own is no type of a loaded module"):
            put(b"k", with_type(b"fragile-1")())  # the name is known, but the class is a different one
    assert home.server("EXISTS", "k") == 0
