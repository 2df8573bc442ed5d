"""The values that the differential tests send to real Redis and to this server, and a client for real Redis."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from twisted_redis.config import DIRECTIVES, Config, Directive
from twisted_redis.config.directives import HIDDEN
from twisted_redis.config.kinds import Bool, Enum, Number, Text

COMMON = [
    b"", b"0", b"1", b"-1", b"2", b"5", b"99", b"1000", b"yes", b"no", b"YES", b"maybe", b" ", b"1 2", b"a b",
    b"007", b"+5", b" 5", b"5 ", b"1.5", b"1e3", b"0x10", b"nan", b"\xff", b"caf\xc3\xa9", b'"', b"'", b"\\",
    b"a/b", b"local", b"default", b"*",
]  # fmt: skip

NUMBERS = [
    b"10k", b"10kb", b"1mb", b"2MB", b"1g", b"1gb", b"3b", b"kb", b"b", b"1tb", b"1 kb", b"-1kb", b"10%",
    b"0%", b"100%", b"101%", b"-5%", b"%", b"1%%", b"777", b"0777", b"778", b"1000", b"2147483647",
    b"2147483648", b"-2147483648", b"-2147483649", b"4294967295", b"4294967296", b"9223372036854775807",
    b"9223372036854775808", b"18446744073709551615", b"18446744073709551616", b"99999999999999999999",
    b"9999999999999999999gb", b"1" * 130, b"-0", b"-100", b"-101", b"1048576", b"1048575", b"65535", b"65536",
]  # fmt: skip

SPECIAL: dict[str, list[bytes]] = {
    "save": [
        b"900 1", b"900 1 300 10", b"900  1", b"900", b"0 1", b"900 -1", b"900 0", b"900 ", b" 900 1", b"a b",
        b"900 4294967297", b"99999999999999999999 1", b"+9 +1", b"1 2 3", b'""',
    ],
    "client-output-buffer-limit": [
        b"normal 1 2 3", b"slave 1mb 2kb 60", b"replica 1 2 3", b"pubsub 0 0 0 normal 5 5 5", b"master 0 0 0",
        b"normal 1 2", b"normal 1 2 x", b"normal x 2 3", b"normal 1 x 3", b"normal 1 2 -3", b"NORMAL 1 2 3",
        b"normal 1 2 4294967299", b"normal 1 2 2147483648", b"normal 1 2 3 foo 1 2 3", b"normal  1 2 3",
        b"normal 1 2 ", b"normal kb 2 3", b"normal 18446744073709551615 1 1",
    ],
    "notify-keyspace-events": [
        b"KEA", b"AKE", b"Kg$lshzxet", b"g$lshzxetd", b"An", b"Anm", b"mn", b"oc", b"cno", b"Aoc", b"STIVh", b"VITSmA",
        b"Kx", b"q", b"KEAz", b"g n", b"E",
    ],
    "oom-score-adj-values": [
        b"0 200 800", b"1 2 3", b"-2000 0 2000", b"1 2", b"1 2 3 4", b"1 2 x", b"-2001 0 0", b"2001 0 0",
        b"1  2 3", b"1 2 ",
    ],
    "latency-tracking-info-percentiles": [
        b"50", b"50 99.9 100", b"0.0", b"100.0", b"101", b"-1", b"99.99999999", b"x", b"50 x", b"inf", b"nan",
        b"1e1", b"-0", b".5", b"5.", b"0x1p3", b"50  99", b"1e400", b"1e-400", b"infinity", b"-inf", b"1_0",
        b"1e", b"0x", b"33.3333333",
    ],
    "replicaof": [b"no one", b"127.0.0.1 1"],
    "dir": [b".", b"/", b"/nonexistent", b"/etc/hosts", b"/tmp/"],
    "shutdown-on-sigint": [
        b"save", b"nosave", b"save nosave", b"save now force", b"default save", b"now  force", b"SAVE NOW",
        b"force now save", b"default",
    ],
    "oom-score-adj": [b"relative", b"absolute"],
    "cluster-announce-hostname": [b"a" * 255, b"a" * 256, b"host.example-1.org", b"host_name"],
    "cluster-announce-human-nodename": [b"name", b"na:me", b"n\xc3\xa4me", b"a-b_c.d"],
    "proc-title-template": [
        b"x", b"{title}", b"{title} x", b"{foo}", b"{", b"{{", b"{{x}", b"{port}", b"{server-mode}", b"}",
        b"{}", b"{config-file}", b"{tls-port} {unixsocket}", b"a{", b"{listen-addr",
    ],
    "dbfilename": [b"x.rdb", b"a\\b"],
    "requirepass": [b"x\xff y"],
    "masterauth": [b"x\xff y"],
}  # fmt: skip
SPECIAL["shutdown-on-sigterm"] = SPECIAL["shutdown-on-sigint"]

#: In a real server, these change more than the configuration.
UNTOUCHED = frozenset(
    (
        "port",
        "bind",
        "requirepass",
        "tls-port",
        "maxclients",
        "locale-collate",
        "unixsocket",
        "logfile",
        "tls-cluster",
        "tls-replication",
    )
)


def values(directive: Directive[Any]) -> list[bytes]:
    """Returns valid and invalid values for a directive."""
    kind = directive.kind
    found = COMMON + SPECIAL.get(directive.name, [])
    if isinstance(kind, Number):
        around = [kind.low - 1, kind.low, kind.low + 1, kind.high - 1, kind.high, kind.high + 1]
        found = found + NUMBERS + [str(number).encode() for number in around]
    elif isinstance(kind, Enum):
        found = found + [name.encode() for name in kind.names] + [kind.names[0].upper().encode()]
    elif isinstance(kind, (Bool, Text)):
        found = [*found, b"nO", b"true"]
    return found


class PermissiveConfig(Config):
    """Takes every value that Redis takes, whether this server honours it or not."""

    def is_honoured(self, directive: Directive[Any]) -> bool:
        return True


def checked() -> list[Directive[Any]]:
    """Returns the directives of the differential tests."""
    return [d for d in DIRECTIVES if d.name not in UNTOUCHED and not d.flags & HIDDEN]


def real_binary() -> str | None:
    """Returns the path of a redis-server 8: $REDIS_SERVER or the one in PATH. None if there is none."""
    path = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if path is None:
        return None
    version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    return path if "v=8." in version else None


class Connection:
    """A minimal client."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")

    def call(self, *arguments: bytes) -> Any:
        request = b"".join(b"$%d\r\n%s\r\n" % (len(argument), argument) for argument in arguments)
        self._socket.sendall(b"*%d\r\n" % len(arguments) + request)
        return self._read()

    def _read(self) -> Any:
        line = self._file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return line[:-2]
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return rest

    def close(self) -> None:
        self._file.close()
        self._socket.close()
