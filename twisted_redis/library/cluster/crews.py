"""The ways in which the nodes of a cluster can run: in one thread, in a thread each, or in a child process each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from twisted_redis.library.hints import suggestion
from twisted_redis.library.runner import Runner

if TYPE_CHECKING:
    from twisted_redis.library.thread import ReactorThread

__all__ = ["MODES", "Crew", "crew_of"]


#: A message takes several turns of the reactor on its way.  So many looks without any news say that none is left.
_QUIET_LOOKS = 5
_MOST_LOOKS = 500


class Crew:
    """Starts nodes, and calls several of them at once."""

    #: A phrase that says where the nodes run.
    where = ""

    def start(self, arguments: dict[str, Any], number: int) -> Runner:
        """Starts node ``number`` with the arguments of ``start_server``.

        A node that starts again under its number continues with its tables.
        """
        raise NotImplementedError

    def start_all(self, arguments: Sequence[dict[str, Any]]) -> list[Runner]:
        """Starts the nodes 0, 1, 2...; raises the first error, and then none of them runs."""
        runners: list[Runner] = []
        try:
            for number, each in enumerate(arguments):
                runners.append(self.start(each, number))
        except BaseException:
            for runner in runners:
                runner.stop()
            raise
        return runners

    def ask_all(self, runners: Sequence[Runner], name: str, *arguments: Any) -> list[Any]:
        """Calls a method of several nodes; returns their results."""
        return [runner.ask(name, arguments) for runner in runners]

    def pass_time(self, runners: Sequence[Runner], seconds: float) -> None:
        """Moves the time of several nodes, and waits until no message is on its way any more."""
        self.ask_all(runners, "time", "advance", seconds)
        quiet = _Quiet()
        while not quiet.reached(self.ask_all(runners, "activity")):
            pass

    def end(self) -> None:
        """Releases what the nodes share, after they have stopped."""


class _Quiet:
    """Finds out from the activity of nodes that they have nothing more to tell each other."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._quiet = 0
        self._looks = 0

    def reached(self, activity: list[Any]) -> bool:
        """Takes the present activity; True if nothing has happened in the last looks, or after very many looks."""
        self._quiet = self._quiet + 1 if activity == self._before else 0
        self._before = activity
        self._looks += 1
        return self._quiet >= _QUIET_LOOKS or self._looks >= _MOST_LOOKS


class Threads(Crew):
    """Each node has a thread of this process, with a reactor of its own.

    A node keeps its tables in memory, unless it has a file for them.
    """

    where = "in threads"

    def __init__(self) -> None:
        # Imported late: a program whose nodes are child processes does not load a server.
        from twisted_redis.cluster.nodes_store import Memory, Store
        from twisted_redis.library.thread import ReactorThread, ThreadServer

        self._stores: dict[int, Store] = {}
        self._new_store: Callable[[], Store] = Memory
        self._new_thread = ReactorThread
        self._server = ThreadServer

    def start(self, arguments: dict[str, Any], number: int) -> Runner:
        """Starts a node in a thread of its own."""
        return self._start_in(None, arguments, number)

    def _start_in(self, thread: ReactorThread | None, arguments: dict[str, Any], number: int) -> Runner:
        has_file = bool(arguments.get("cluster_config_file"))
        store = None if has_file else self._stores.setdefault(number, self._new_store())
        return self._server(dict(arguments), thread, store)


class OneThread(Threads):
    """All nodes share one reactor in one thread of this process."""

    where = "in one thread"

    def __init__(self) -> None:
        super().__init__()
        self._thread = self._new_thread()

    def start(self, arguments: dict[str, Any], number: int) -> Runner:
        """Starts a node in the thread."""
        return self._start_in(self._thread, arguments, number)

    def ask_all(self, runners: Sequence[Runner], name: str, *arguments: Any) -> list[Any]:
        """Calls all of them within one turn of the reactor."""
        return list(self._thread.call(lambda: [runner.ask(name, arguments) for runner in runners]))

    def pass_time(self, runners: Sequence[Runner], seconds: float) -> None:
        """Moves the time within the thread, where each look is a turn of the reactor."""
        self._thread.run_turns(self._turns(runners, seconds))

    def _turns(self, runners: Sequence[Runner], seconds: float) -> Iterator[None]:
        for runner in runners:
            runner.ask("time", ("advance", seconds))
        quiet = _Quiet()
        while not quiet.reached([runner.ask("activity", ()) for runner in runners]):
            yield

    def end(self) -> None:
        """Ends the thread."""
        self._thread.end()


class Processes(Crew):
    """Each node has a process, forked from one that has imported the server.  A pool of threads waits for answers."""

    where = "in processes"

    def __init__(self) -> None:
        from twisted_redis.library.cluster.template import ForkedServer, Template

        self._server = ForkedServer
        self._template = Template()
        self._pool = ThreadPoolExecutor(thread_name_prefix="redis-cluster")

    def start(self, arguments: dict[str, Any], number: int) -> Runner:
        """Starts a node in a process."""
        return self._server(arguments, self._template)

    def start_all(self, arguments: Sequence[dict[str, Any]]) -> list[Runner]:
        """Starts all processes at the same time."""
        starting = [self._pool.submit(self.start, each, number) for number, each in enumerate(arguments)]
        problems = [problem for each in starting if (problem := each.exception()) is not None]
        if problems:
            for each in starting:
                if each.exception() is None:
                    each.result().stop()
            raise problems[0]
        return [each.result() for each in starting]

    def ask_all(self, runners: Sequence[Runner], name: str, *arguments: Any) -> list[Any]:
        """Calls all of them at the same time."""
        return list(self._pool.map(lambda runner: runner.ask(name, arguments), runners))

    def end(self) -> None:
        """Ends the pool and the template."""
        self._pool.shutdown()
        self._template.end()


MODES: dict[str, Callable[[], Crew]] = {"reactor": OneThread, "threads": Threads, "processes": Processes}


def crew_of(mode: str) -> Callable[[], Crew]:
    """Returns the function that makes the crew of a mode; raises ValueError for an unknown mode."""
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}{suggestion(str(mode), MODES)}")
    return MODES[mode]
