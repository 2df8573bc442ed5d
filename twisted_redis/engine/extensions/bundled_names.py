"""The names in the bundled modules.  tools/bundled_table.py writes this file."""

from __future__ import annotations

__all__ = ["NAMES"]

#: The name, Python module, version, ACL categories, names of types and names of commands of each.
NAMES: tuple[tuple[str, str, int, str, str, str], ...] = (
    (
        "ReJSON",
        "twisted_redis.modules.json",
        20803,
        "json",
        "",
        "",
    ),
    (
        "bf",
        "twisted_redis.modules.probabilistic",
        20802,
        "bloom cuckoo cms topk tdigest",
        "",
        "",
    ),
    (
        "timeseries",
        "twisted_redis.modules.timeseries",
        11202,
        "timeseries",
        "",
        "",
    ),
)
