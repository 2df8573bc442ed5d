"""python-socketio: servers that reach each other's clients through the server, and an emitter outside of them."""

from __future__ import annotations

import asyncio
from typing import Any

import socketio
from checks import check, report_async, until_async
from place import async_arguments, url


class Recorder(socketio.AsyncServer):
    """A server that keeps what its clients would receive."""

    def __init__(self) -> None:
        options = async_arguments()
        super().__init__(async_mode="asgi", client_manager=socketio.AsyncRedisManager(url(), redis_options=options))
        self.sent: list[tuple[str, str]] = []

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        self.sent.append((eio_sid, pkt.data[0]))

    async def _send_eio_packet(self, eio_sid: str, eio_pkt: Any) -> None:
        self.sent.append((eio_sid, eio_pkt.data))


async def is_there(server: Recorder, *who: str) -> bool:
    return sorted(name for name, _ in server.sent) == sorted(who)


@check
async def rooms_of_two_servers() -> None:
    servers = [Recorder(), Recorder()]
    managers = [server.manager for server in servers]
    sids = []
    for number, (server, manager) in enumerate(zip(servers, managers, strict=True)):
        server.manager_initialized = True
        manager.initialize()
        sids.append(await manager.connect(f"client {number}", "/"))
        await manager.enter_room(sids[number], "/", "room")
    # A server hears nothing before it has subscribed.
    subscribed = managers[0]._redis_connect() or managers[0].redis
    while dict(await subscribed.pubsub_numsub("socketio")).get(b"socketio") != 2:
        await asyncio.sleep(0.01)
    await servers[0].emit("said", {"text": "hello"}, room="room")
    await until_async(lambda: is_there(servers[0], "client 0"))
    await until_async(lambda: is_there(servers[1], "client 1"))
    await servers[0].emit("direct", "you", to=sids[1])
    await until_async(lambda: is_there(servers[1], "client 1", "client 1"))
    outside = socketio.AsyncRedisManager(url(), write_only=True, redis_options=async_arguments())
    await outside.emit("news", "all", room="room")
    await until_async(lambda: is_there(servers[0], "client 0", "client 0"))
    await until_async(lambda: is_there(servers[1], "client 1", "client 1", "client 1"))


if __name__ == "__main__":
    asyncio.run(report_async("python-socketio"))
