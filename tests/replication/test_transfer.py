"""The snapshot within the bytes of a link, split at every byte."""

from __future__ import annotations

import pytest

from twisted_redis.replication.transfer import BadTransfer, Transfer

MARK = b"0123456789abcdef0123456789abcdef01234567"
BODY = b"REDIS0011" + MARK[:39] + b"\r\n$5\r\n" + bytes(range(256))


class Kept:
    def __init__(self) -> None:
        self.begun = 0
        self.data = b""
        self.transfer = Transfer(self._begin, self._keep)

    def _begin(self, transfer: Transfer) -> None:
        self.begun += 1

    def _keep(self, data: bytes) -> None:
        self.data += data

    def receive(self, *pieces: bytes) -> bytes | None:
        """Feeds ``pieces``. Returns the bytes after the end of the snapshot."""
        rest: bytes | None = None
        for piece in pieces:
            rest = piece if rest is not None and not rest else rest + piece if rest else self.transfer.receive(piece)
        return rest


LENGTH = b"\n\n$%d\r\n%b" % (len(BODY), BODY)
MARKED = b"\n$EOF:%b\r\n%b%b" % (MARK, BODY, MARK)


@pytest.mark.parametrize("sent", [LENGTH, MARKED], ids=["length", "mark"])
def test_whole_with_the_stream_behind_it(sent: bytes) -> None:
    kept = Kept()
    assert kept.receive(sent + b"*1\r\n") == b"*1\r\n"
    assert kept.data == BODY
    assert kept.begun == 1
    assert kept.transfer.received == len(BODY)


@pytest.mark.parametrize("sent", [LENGTH, MARKED], ids=["length", "mark"])
def test_cut_at_every_byte(sent: bytes) -> None:
    for at in range(1, len(sent)):
        kept = Kept()
        assert kept.transfer.receive(sent[:at]) is None, at
        assert kept.transfer.receive(sent[at:]) == b"", at
        assert kept.data == BODY


@pytest.mark.parametrize("sent", [LENGTH, MARKED], ids=["length", "mark"])
def test_byte_by_byte(sent: bytes) -> None:
    kept = Kept()
    ends = [kept.transfer.receive(sent[at : at + 1]) for at in range(len(sent))]
    assert ends == [None] * (len(sent) - 1) + [b""]
    assert kept.data == BODY


def test_an_empty_snapshot_ends_with_its_length() -> None:
    kept = Kept()
    assert kept.transfer.receive(b"$0\r\nrest") == b"rest"
    assert kept.data == b""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"-ERR no\r\n", "MASTER aborted replication with an error: ERR no"),
        (b"+OK\r\n", "the first byte is not '$'"),
        (b"$-1\r\n", "the length of the snapshot is not one"),
        (b"$EOF:short\r\n", "the length of the snapshot is not one"),
        (b"$" + b"1" * 2000, "too long"),
    ],
)
def test_garbage_in_place_of_the_first_line(line: bytes, reason: str) -> None:
    with pytest.raises(BadTransfer) as caught:
        Kept().transfer.receive(line)
    assert reason in str(caught.value)
