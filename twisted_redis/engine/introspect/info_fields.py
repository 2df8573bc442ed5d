"""Fields of INFO that parts of a server add to its sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Fields", "InfoFields"]

Fields = list[tuple[str, Any]]


class InfoFields:
    """The registered sources of fields, by section in lower case."""

    def __init__(self) -> None:
        self._sources: dict[str, list[Callable[[], Fields]]] = {}

    def add(self, section: str, source: Callable[[], Fields]) -> None:
        """Registers ``source``, which is called for its fields each time that ``section`` is built."""
        self._sources.setdefault(section, []).append(source)

    def extended(self, section: str, fields: Fields) -> Fields:
        """Returns ``fields`` with the registered ones: a known field is replaced in place, a new one is appended."""
        for source in self._sources.get(section, ()):
            replaced = dict(source())
            fields = [(key, replaced.pop(key, value)) for key, value in fields]
            fields += list(replaced.items())
        return fields
