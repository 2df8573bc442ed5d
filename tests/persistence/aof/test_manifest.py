"""The manifest, line by line."""

from __future__ import annotations

import pytest

from twisted_redis.persistence.aof.manifest import AofFile, Manifest, ManifestError, parse

WHOLE = b"""\
# a comment
file appendonly.aof.2.base.rdb seq 2 type b
file appendonly.aof.1.base.rdb seq 1 type h
file appendonly.aof.4.incr.aof seq 4 type i startoffset 10 endoffset 20
file appendonly.aof.7.incr.aof seq 7 type i startoffset 20
"""


def test_reads_what_it_writes() -> None:
    manifest = parse(WHOLE)
    assert manifest.base == AofFile("appendonly.aof.2.base.rdb", 2, "b")
    assert [file.number for file in manifest.history] == [1]
    assert [(file.number, file.start, file.end) for file in manifest.increments] == [(4, 10, 20), (7, 20, -1)]
    assert manifest.render() == WHOLE.partition(b"\n")[2]


def test_unknown_words_are_skipped_and_names_are_free() -> None:
    manifest = parse(b"FILE x seq 9 type i colour blue\r\n")
    assert manifest.increments == [AofFile("x", 9, "i")]


@pytest.mark.parametrize("name", [" two words\n.aof", 'with"quotes', "tab\t", "ünlaut", "it's", "\x01"])
def test_names_that_need_quotes(name: str) -> None:
    manifest = Manifest()
    manifest.new_increment(name, 5)
    assert parse(manifest.render()).increments == manifest.increments


@pytest.mark.parametrize(
    ("content", "reason", "number"),
    [
        (b"", "Found an empty AOF manifest", 0),
        (b"file a seq 1 type b\n\nfile b seq 1 type i\n", "Invalid AOF manifest file format", 2),
        (b"file a seq 1\n", "Invalid AOF manifest file format", 1),
        (b"file a seq 1 type i new\n", "Invalid AOF manifest file format", 1),
        (b'file "a seq 1 type i\n', "Invalid AOF manifest file format", 1),
        (b"filx a seq 1 type b\n", "Invalid AOF manifest file format", 1),
        (b"file a seq zero type b\n", "Invalid AOF manifest file format", 1),
        (b"file a/b seq 1 type b\n", "File can't be a path, just a filename", 1),
        (b"file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information", 2),
        (b"file a seq 2 type i\nfile b seq 2 type i\n", "Found a non-monotonic sequence number", 2),
        (b"file a seq 1 type x\n", "Unknown AOF file type", 1),
        (b"file a seq 1 type b", "The AOF manifest file contains too long line", 0),
        (b"file %b seq 1 type b\n" % (b"a" * 1010), "The AOF manifest file contains too long line", 0),
    ],
)
def test_errors(content: bytes, reason: str, number: int) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(content)
    assert caught.value.reason == reason
    assert caught.value.number == number
    assert caught.value.messages[-1] == reason + "\n"


def test_the_longest_line_that_may_be() -> None:
    name = b"a" * (1024 - len(b"file  seq 1 type b\n"))
    assert parse(b"file %b seq 1 type b\n" % name).base is not None


def test_a_rewrite() -> None:
    manifest = parse(WHOLE)
    before = manifest.copy()
    manifest.new_base("appendonly.aof", rdb=False)
    manifest.new_increment("appendonly.aof", 99)
    manifest.retire_increments(keep_last=True)
    assert manifest.dirty
    assert manifest.render().decode().splitlines() == [
        "file appendonly.aof.3.base.aof seq 3 type b",
        "file appendonly.aof.4.incr.aof seq 4 type h startoffset 10 endoffset 20",
        "file appendonly.aof.7.incr.aof seq 7 type h startoffset 20",
        "file appendonly.aof.2.base.rdb seq 2 type h",
        "file appendonly.aof.1.base.rdb seq 1 type h",
        "file appendonly.aof.8.incr.aof seq 8 type i startoffset 99",
    ]
    assert before.render() == WHOLE.partition(b"\n")[2]
    manifest.retire_increments(keep_last=False)
    assert not manifest.increments


def test_the_end_of_the_last_increment() -> None:
    manifest = parse(WHOLE)
    manifest.set_end(44)
    assert manifest.render().endswith(b" startoffset 20 endoffset 44\n")
    manifest.set_end(-1)
    assert manifest.render().endswith(b" startoffset 20\n")
