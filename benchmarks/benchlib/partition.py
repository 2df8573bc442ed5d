"""A network whose connections can be cut: proxies in front of the servers of a cluster.

Each server announces the ports of its proxies, and opens its own connections from an address of its own
(``bind-source-addr``), so a proxy knows where a connection comes from. A cut drops nothing: what is sent across it
waits until the cut has healed, as it would with TCP. Connections of clients, which come from 127.0.0.1, are never cut.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress

#: The address of the first server.
_FIRST = 11


class Network:
    """The proxies, which run in a thread until ``close``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._apart: frozenset[int] = frozenset()
        self._whole = asyncio.Event()
        self._whole.set()
        self._servers: list[asyncio.Server] = []

    def address_of(self, number: int) -> str:
        """Returns the address from which a server opens connections."""
        return f"127.0.0.{_FIRST + number}"

    def open(self, number: int, port: int) -> int:
        """Opens a proxy in front of a port of a server; returns the proxy's port."""
        return asyncio.run_coroutine_threadsafe(self._open(number, port), self._loop).result()

    async def _open(self, number: int, port: int) -> int:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            source = int(writer.get_extra_info("peername")[0].rpartition(".")[2]) - _FIRST
            with suppress(asyncio.CancelledError):
                await self._forward(source, number, port, reader, writer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self._servers.append(server)
        found: int = server.sockets[0].getsockname()[1]
        return found

    async def _forward(
        self, source: int, number: int, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._passage(source, number)
        try:
            to_server, from_client = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        pumps = (
            self._pump(source, number, reader, from_client),
            self._pump(source, number, to_server, writer),
        )
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, source: int, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._passage(source, number)
                writer.write(data)
                await writer.drain()
        await self._passage(source, number)
        writer.close()

    async def _passage(self, source: int, number: int) -> None:
        """Waits until nothing stands between two servers."""
        while source >= 0 and (source in self._apart) != (number in self._apart):
            await self._whole.wait()

    def cut(self, numbers: Iterable[int]) -> None:
        """Parts the servers with these numbers from the others."""
        apart = frozenset(numbers)
        self._loop.call_soon_threadsafe(self._set, apart)

    def heal(self) -> None:
        """Ends the cut."""
        self._loop.call_soon_threadsafe(self._set, frozenset())

    def _set(self, apart: frozenset[int]) -> None:
        self._apart = apart
        if apart:
            self._whole.clear()
        else:
            self._whole.set()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        forwarding = asyncio.all_tasks() - {asyncio.current_task()}
        for task in forwarding:
            task.cancel()
        await asyncio.gather(*forwarding, return_exceptions=True)
