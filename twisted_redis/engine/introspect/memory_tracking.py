"""Whether the server follows the memory of each key, which two directives ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_redis.config import ConfigError

if TYPE_CHECKING:
    from twisted_redis.config import Config

__all__ = ["DIRECTIVES", "MemoryTracking"]

DIRECTIVES: Final = ("key-memory-histograms", "cluster-slot-stats-enabled")


class MemoryTracking:
    """Follows ``DIRECTIVES``.  ``is_on`` says whether one of them asks for the memory of keys.

    Tracking that is off stays off, since Redis knows the memory of keys only if it has followed it from the start.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.is_on = self._is_wanted

    @property
    def _is_wanted(self) -> bool:
        return self._config.key_memory_histograms or "mem" in self._config.cluster_slot_stats_enabled

    def apply(self) -> None:
        """Takes over the values of the directives; raises ConfigError if they would switch the tracking on."""
        if self._is_wanted and not self.is_on:
            raise ConfigError("memory tracking cannot be enabled at runtime")
        self.is_on = self._is_wanted
