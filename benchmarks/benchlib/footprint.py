"""The memory of collections: after the fill, when nobody has used them for a while, and after a restart."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

from .client import Connection, Refused
from .collections import FILLS, Fill
from .report import geometric_mean, ratio, table
from .servers import Server, Subject, running

#: The directive after which a server packs the values that nobody uses (s; 0: never). Servers may lack it.
PACKING = "pack-idle-seconds"
_SETTLED = 0.01
_LONGEST_WAIT = 60


class Footprint(NamedTuple):
    """What a server grew by while it was filled (bytes an element)."""

    hot: float
    """Resident memory after the fill."""
    idle: float
    """Resident memory after the server has had time to pack what nobody uses."""
    loaded: float
    """Resident memory of a new server that has loaded the snapshot of the first one."""
    used: float
    """`used_memory` after the fill."""
    used_idle: float
    """`used_memory` at the same time as `idle`."""


def info(connection: Connection, name: str, section: str = "memory") -> int:
    """Returns a number in INFO; 0 if it is not there."""
    text = connection.call("INFO", section).decode()
    found = re.search(rf"^{name}:(\d+)", text, re.M)
    return int(found[1]) if found else 0


def pack_after(connection: Connection, seconds: int) -> bool:
    """Makes the server pack values that nobody used for so many seconds (0: none). False if it cannot."""
    try:
        connection.call("CONFIG", "SET", PACKING, seconds)
    except Refused:
        return False
    return True


def packing_seconds(idle_seconds: int) -> int:
    """Returns the time after which a server has packed what nobody used: a value may rest for two passes."""
    return 2 * idle_seconds + 1


def wait_until_settled(server: Server, seconds: float, pause: Callable[[float], None] = time.sleep) -> None:
    """Waits `seconds`, and then until a wait of a second no longer changes the resident memory."""
    pause(seconds)
    before = server.resident_bytes()
    for _ in range(_LONGEST_WAIT):
        pause(1)
        now = server.resident_bytes()
        if abs(now - before) <= before * _SETTLED:
            return
        before = now


def wait_until_packed(server: Server, connection: Connection, collections: int, idle_seconds: int) -> None:
    """Waits until the server has packed so many collections, or what it packs of them, and has freed their memory."""
    wait_until_settled(server, packing_seconds(idle_seconds))
    # Not everything is packed: no single large collection, for example.
    values, unchanged = -1, 0
    while collections > 1 and unchanged < packing_seconds(idle_seconds):
        now = info(connection, "packed_values", "packing")
        if now >= collections:
            break
        unchanged = unchanged + 1 if now == values else 0
        values = now
        time.sleep(1)
    wait_until_settled(server, 1)


def measure_footprint(subject: Subject, fill: Fill, collections: int, size: int, idle_seconds: int) -> Footprint:
    """Fills new servers with `collections` collections of `size` elements. Raises Refused.

    Nothing is packed before `hot` has been read. The server packs after `idle_seconds`, if it can.
    """
    total = collections * size
    with tempfile.TemporaryDirectory(prefix="tr-bench-") as folder:
        with running(subject, folder=folder) as server, server.connect() as connection:
            packs = pack_after(connection, 0)
            empty, none = server.resident_bytes(), info(connection, "used_memory")
            for number in range(collections):
                connection.fill(fill(f"key:{number}", size), batch=20 if size > 1000 else 100)
            time.sleep(0.5)
            hot, used = server.resident_bytes(), info(connection, "used_memory")
            idle, used_idle = hot, used
            if packs:
                pack_after(connection, idle_seconds)
                wait_until_packed(server, connection, collections, idle_seconds)
                idle, used_idle = server.resident_bytes(), info(connection, "used_memory")
            connection.call("SAVE")
        with running(subject, folder=folder) as server, server.connect() as connection:
            if connection.call("DBSIZE") != collections:
                raise Refused("not everything was loaded")
            time.sleep(0.5)
            loaded = server.resident_bytes()
    return Footprint(
        # A small fill can fit into memory that the process had already.
        *(max(0, after - empty) / total for after in (hot, idle, loaded)),
        *((after - none) / total for after in (used, used_idle)),
    )


Found = dict[str, dict[str, list[Footprint | None]]]
"""{server: {kind: [in one collection, in collections of a hundred]}}; None if the server refused the calls."""


def measure_kinds(
    subject: Subject, total: int, idle_seconds: int, kinds: list[str], progress: Callable[[str], None]
) -> dict[str, list[Footprint | None]]:
    """Measures `total` elements of each kind, in one collection and in collections of a hundred."""
    results: dict[str, list[Footprint | None]] = {}
    for kind in kinds:
        results[kind] = []
        for collections, size in ((1, total), (total // 100, 100)):
            found = None
            try:
                found = measure_footprint(subject, FILLS[kind], collections, size, idle_seconds)
                progress(f"{subject.name} {kind}, {size:,} each: {' '.join(f'{n:.1f}' for n in found)}")
            except Refused as error:
                progress(f"{subject.name} {kind}: {error}")
            results[kind].append(found)
    return results


def footprint_table(results: Found, place: int, real: str) -> str:
    """Returns the table of one size of collections, with the means of the ratios to the server `real` at the end."""
    rows: list[list[object]] = []
    ratios: dict[str, list[list[float | None]]] = {server: [] for server in results}
    for kind in results[real]:
        base = results[real][kind][place]
        for server, kinds in results.items():
            found = kinds[kind][place]
            if found is None or base is None:
                rows.append([f"{kind} {server}", *[None] * 8])
                continue
            compared = [ratio(found.hot, base.hot), ratio(found.idle, base.idle), ratio(found.loaded, base.loaded)]
            ratios[server].append(compared)
            sizes = [found.hot, compared[0], found.idle, compared[1], found.loaded, compared[2]]
            rows.append([f"{kind} {server}", *sizes, ratio(found.used, found.hot), ratio(found.used_idle, found.idle)])
    for server, some in ratios.items():
        if server != real and some:
            means = [geometric_mean(column) for column in zip(*some, strict=True)]
            rows.append([f"geometric mean {server}", "", means[0], "", means[1], "", means[2], "", ""])
    head = ["", "hot", "ratio", "idle", "ratio", "loaded", "ratio", "used: hot", "idle"]
    return table(head, rows)
