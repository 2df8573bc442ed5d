"""``oom-score-adj``: tells Linux which processes to kill first without memory: children, then replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_redis.config import Config

__all__ = ["OomScore"]

PATH = "/proc/self/oom_score_adj"

# The indexes in ``oom-score-adj-values``.
MASTER, REPLICA, CHILD = 0, 1, 2


class OomScore:
    """The score of the process; the original score is saved before the first change, so it can be restored."""

    def __init__(self, config: Config, log: Callable[[str, str], None], is_replica: Callable[[], bool]) -> None:
        self._config = config
        self._log = log
        self._is_replica = is_replica
        self._base: int | None = None
        config.on_apply(("oom-score-adj", "oom-score-adj-values"), self.apply)

    def apply(self) -> None:
        """Applies the directives; raises ConfigError if the system refuses the change."""
        if not self._set(REPLICA if self._is_replica() else MASTER):
            raise ConfigError("Failed to set current oom_score_adj. Check server logs.")

    def follow_role(self) -> None:
        """Adjusts the score after the server has become a replica or a master."""
        self._set(REPLICA if self._is_replica() else MASTER)

    def be_child(self) -> None:
        """Adjusts the score of this process, which is a child that saves."""
        self._set(CHILD)

    def _set(self, place: int) -> bool:
        config = self._config
        try:
            if config.oom_score_adj == "no":
                if self._base is None:
                    return True
                score, base = self._base, None
            else:
                base = self._read() if self._base is None else self._base
                score = config.oom_score_adj_values[place] + (base if config.oom_score_adj != "absolute" else 0)
            with open(PATH, "w") as file:
                file.write(f"{min(max(score, -1000), 1000)}\n")
        except OSError as error:
            self._log("warning", f"Unable to write oom_score_adj: {error.strerror}")
            return False
        self._base = base
        return True

    @staticmethod
    def _read() -> int:
        with open(PATH) as file:
            return int(file.read())
