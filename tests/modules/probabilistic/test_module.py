"""The arguments of the module, and its directives."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.extending import ModuleError, load_module
from twisted_redis.modules.probabilistic import module


def test_arguments_set_directives() -> None:
    server = Server()
    load_module(server.engine, module, (b"INITIAL_SIZE", b"500", b"error_rate", b"0.05", b"CF_MAX_EXPANSIONS", b"1"))
    assert server("CONFIG", "GET", "bf-initial-size") == [b"bf-initial-size", b"500"]
    server("BF.ADD", "key", "a")
    assert b"capacity:500 size:1 ratio:0.025" in server("BF.DEBUG", "key")[1]
    server("CF.ADD", "other", "a")
    assert server("CF.ADD", "other", "b") == b"Maximum expansions reached"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((b"INITIAL_SIZE",), "Invalid number of arguments"),
        ((b"OTHER", b"1"), "Unrecognized option"),
        ((b"INITIAL_SIZE", b"0"), "bf-initial-size"),
        ((b"ERROR_RATE", b"1"), "bf-error-rate"),
    ],
)
def test_bad_arguments(arguments: tuple[bytes, ...], reason: str) -> None:
    with pytest.raises(ModuleError, match=reason):
        load_module(Server().engine, module, arguments)


def test_directives_are_the_parameters_of_new_sketches(server: Server) -> None:
    server("CONFIG", "SET", "bf-expansion-factor", "0", "bf-initial-size", "2", "bf-error-rate", "0.001")
    replies = server("BF.MADD", "key", "a", "b", "c")
    assert replies == [True, True, b"ERR non scaling filter is full"]
    assert server("BF.INFO", "key", "EXPANSION") == [None]
    server("CONFIG", "SET", "cf-bucket-size", "4", "cf-initial-size", "16", "cf-expansion-factor", "2")
    server("CF.ADD", "other", "a")
    assert server("CF.DEBUG", "other").startswith(b"bktsize:4 buckets:4 items:1")
    assert server("CF.INSERT", "third", "CAPACITY", 7, "ITEMS", "a") == b"Capacity must be at least (BucketSize * 2)"
