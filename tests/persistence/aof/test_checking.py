"""check-aof: the damage that it finds, what it truncates, and its output."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.support.server import Server, encode
from twisted_redis.persistence.aof.base import write_base
from twisted_redis.persistence.aof.checking import main

SET = encode("SET", "foo", "hello")


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def run(*arguments: object, answer: str = "y\n", out: io.StringIO | None = None) -> tuple[int, str]:
    out = out or io.StringIO()
    code = main([str(argument) for argument in arguments], out, lambda: answer)
    return code, out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.aof"


def test_a_whole_file(file: Path) -> None:
    file.write_bytes(SET * 2)
    code, text = run(file)
    assert code == 0
    assert text.splitlines() == [
        "Start checking Old-Style AOF",
        f"AOF analyzed: filename={file}, size={2 * len(SET)}, ok_up_to={2 * len(SET)}, ok_up_to_line=15, diff=0",
        f"AOF {file} is valid",
    ]


def test_an_empty_file(file: Path) -> None:
    file.write_bytes(b"")
    assert run(file) == (0, f"Start checking Old-Style AOF\nAOF {file} is empty\n")


def test_a_missing_file(file: Path) -> None:
    assert run(file) == (1, f"Cannot open file {file}: No such file or directory\n")


@pytest.mark.parametrize(
    ("rest", "error"),
    [
        (SET[:-1], "Expected to read 7 bytes, got 6 bytes"),
        (b"*3\r\n$3\r\nSET\r\n:1\r\n", "Expected prefix '$', got: ':'"),
        (b"*1x\r\n", "Expected \\r\\n, got: 780d"),
        (b"*1\r\n$-1\r\n", "Expected to read string of -1 bytes, which is not in the suitable range"),
        (encode("MULTI") + SET, "Reached EOF before reading EXEC for MULTI"),
        (encode("MULTI") * 2, "Unexpected MULTI in AOF"),
        (encode("EXEC"), "Unexpected EXEC in AOF"),
        (b"!!!" + SET, "format error"),
    ],
)
def test_damage_and_where_it_is(file: Path, rest: bytes, error: str) -> None:
    file.write_bytes(SET + rest)
    code, text = run(file)
    assert code == 1
    assert error in text
    assert f"ok_up_to={len(SET)}, ok_up_to_line=" in text
    assert text.endswith(f"AOF {file} is not valid. Use the --fix option to try fixing it.\n")
    assert file.read_bytes() == SET + rest
    code, text = run("--fix", file, answer="n\n")
    assert code == 1
    assert text.endswith("Continue? [y/N]: Aborting...\n")
    code, text = run("--fix", file)
    assert code == 0
    assert text.endswith(f"Continue? [y/N]: Successfully truncated AOF {file}\n")
    assert file.read_bytes() == SET


def test_many_commands_at_once_and_one_by_one_agree(file: Path) -> None:
    data = b"".join(encode("SET", f"key {number}", "*1\r\n" * (number % 5)) for number in range(20_000))
    data += (encode("MULTI") + SET + encode("EXEC")) * 3000
    file.write_bytes(data + SET[:-4])
    _, text = run(file)
    assert f"ok_up_to={len(data)}, ok_up_to_line={1 + 20_000 * 7 + 3000 * 13 + 6}, diff={len(SET) - 4}" in text


def test_cutting_off_at_a_time(file: Path) -> None:
    first, second = b"#TS:100\r\n" + SET, b"#TS:200\r\n" + SET
    file.write_bytes(first + second)
    assert run("--truncate-to-timestamp", 50, file)[0] == 1
    code, text = run("--truncate-to-timestamp", 200, file)
    assert (code, "Truncate nothing" in text) == (0, True)
    code, text = run("--truncate-to-timestamp", 150, file)
    assert code == 0
    assert text.endswith(f"Successfully truncated AOF {file} to timestamp 150\n")
    assert file.read_bytes() == first
    assert run("--truncate-to-timestamp", "soon", file) == (1, "Invalid timestamp, aborting...\n")


def multi_part(folder: Path, base: bytes, increment: bytes) -> Path:
    (folder / "a.base").write_bytes(base)
    (folder / "a.incr").write_bytes(increment)
    manifest = folder / "a.manifest"
    manifest.write_text("file a.base seq 1 type b\nfile a.incr seq 1 type i\n")
    return manifest


def test_several_files(tmp_path: Path) -> None:
    manifest = multi_part(tmp_path, SET, SET + SET[:-1])
    code, text = run(manifest)
    assert code == 1
    assert "Start checking Multi Part AOF\nStart to check BASE AOF (RESP format).\n" in text
    assert "BASE AOF a.base is valid\nStart to check INCR files.\n" in text
    code, text = run("--fix", manifest)
    assert code == 0
    assert text.endswith("Successfully truncated AOF a.incr\nAll AOF files and manifest are valid\n")


def test_only_the_last_of_several_is_cut_off(tmp_path: Path) -> None:
    manifest = multi_part(tmp_path, SET[:-1], SET)
    code, text = run("--fix", manifest)
    assert code == 1
    assert text.endswith("Failed to truncate AOF a.base because it is not the last file\n")
    assert (tmp_path / "a.base").read_bytes() == SET[:-1]


def test_a_base_that_is_a_snapshot(tmp_path: Path) -> None:
    server = Server()
    server("SET", "a", "1")
    path = tmp_path / "a.base"
    assert write_base(server.engine, str(path))
    snapshot = path.read_bytes()
    manifest = multi_part(tmp_path, snapshot, SET)
    code, text = run(manifest)
    assert code == 0
    assert "Start to check BASE AOF (RDB format).\n" in text
    assert f"[offset {len(snapshot)}] Checksum OK\n" in text
    assert "RDB preamble is OK, proceeding with AOF tail...\nAOF analyzed: filename=a.base, " in text
    multi_part(tmp_path, snapshot[:-10], SET)
    code, text = run("--fix", manifest)
    assert code == 1
    assert text.endswith("RDB preamble of AOF file is not sane, aborting.\n")


def test_a_wrong_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "a.manifest"
    manifest.write_text("file a seq 1 type b\n!!!\n")
    (tmp_path / "a").write_bytes(SET)
    code, text = run(manifest)
    assert code == 1
    assert text.startswith("Start checking Multi Part AOF\n\n*** FATAL AOF MANIFEST FILE ERROR ***\n")
    assert text.endswith("\nInvalid AOF manifest file format\n\n")


def test_a_bar_for_who_looks(file: Path) -> None:
    file.write_bytes(SET * 20_000)
    out = Terminal()
    code, text = run(file, out=out)
    assert code == 0
    assert "\r[" in text
    assert "%" in text
    assert text.endswith(f"AOF {file} is valid\n")


def test_usage() -> None:
    assert run()[0] == 1
    assert run("--version") == (0, "redis-check-aof 8.8.0\n")
