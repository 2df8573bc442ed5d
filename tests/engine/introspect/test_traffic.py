"""The figures of INFO and CLIENT LIST about what clients send and receive."""

from __future__ import annotations

from tests.support.server import Connection, Server


def stats(server: Server) -> dict[str, str]:
    return dict(line.split(":", 1) for line in server("INFO", "stats").decode().split("\r\n") if ":" in line)


def line(client: Connection) -> dict[str, str]:
    reply = client("CLIENT", "INFO").decode().partition("\r\n")[2].strip()
    return dict(field.split("=", 1) for field in reply.split(" "))


def test_a_client_line_ends_with_its_traffic() -> None:
    # The right values were taken from Redis 8.8.0, where the request that is being executed counts for the pipelines.
    server = Server()
    client = server.connect()
    client("PING")
    client.send(b"PING\r\n" * 3)
    client.send(b"*1\r\n$4\r\nPI")
    client.send(b"NG\r\n")
    found = line(client)
    assert list(found)[-7:] == [
        "io-thread",
        "tot-net-in",
        "tot-net-out",
        "tot-cmds",
        "read-events",
        "avg-pipeline-len-sum",
        "avg-pipeline-len-cnt",
    ]
    assert list(found)[list(found).index("omem") :][:4] == ["omem", "omem-shared", "omem-unshared", "tot-mem"]
    assert found["tot-net-in"] == str(14 + 18 + 14 + 26)
    assert found["tot-net-out"] == str(7 * 5)
    assert (found["tot-cmds"], found["read-events"], found["avg-pipeline-len-cnt"]) == ("5", "5", "4")


def test_a_waiting_call_counts_when_it_is_answered_and_scripts_count_what_they_call() -> None:
    # The right values were taken from Redis 8.8.0.
    server = Server()
    client, other = server.connect(), server.connect()
    client("BLPOP", "list", 0)
    shown = server("CLIENT", "LIST", "ID", client.protocol.client.id).decode()
    assert " tot-cmds=0 " in shown
    other("LPUSH", "list", "x")
    assert line(client)["tot-cmds"] == "1"
    client("EVAL", "redis.call('PING') redis.call('PING') return 1", 0)
    assert line(client)["tot-cmds"] == "5"


def test_info_adds_up_open_and_closed_connections() -> None:
    server = Server()
    first, second = server.connect(), server.connect()
    first.send(b"PING\r\n" * 4)
    second.send(b"PING\r\n" * 2)
    second.send(b"PI")
    server.engine.disconnect(second.protocol.client)
    server.engine.stats.absorb(second.protocol.connection.figures, second.protocol.client.commands)
    found = stats(server)
    assert found["total_client_processing_events"] == "3"
    assert (found["avg_pipeline_length_sum"], found["avg_pipeline_length_cnt"]) == ("6", "2")
    assert found["avg_pipeline_length"] == "3.00"
    assert found["eventloop_cycles_with_clients_processing"] == "2"
    server("CONFIG", "RESETSTAT")
    assert stats(server)["avg_pipeline_length"] == "0.00"


def test_a_client_is_active_for_half_a_second() -> None:
    server = Server()
    client = server.connect()
    server.clock.advance(10)
    client("PING")
    server.factory.shared.loop_time = server.engine.time.monotonic()
    client("PING")
    shown = b"active_clients:1\r\n"
    assert shown in server("INFO", "clients")
    server.clock.advance(0.6)
    assert shown not in server("INFO", "clients")


def test_only_the_active_cycle_counts_what_it_removes() -> None:
    server = Server()
    server("SET", "met", "v", "PX", 10)
    server("SET", "swept", "v", "PX", 10)
    server.clock.advance(1)
    server.engine.turns.refresh_time()
    assert server("GET", "met") is None
    server("HSET", "h", "f", "v", "g", "v")
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "f")
    server.advance(1)
    server.engine.turns.refresh_time()
    server.engine.expiry.cycle()
    found = stats(server)
    assert (found["expired_keys"], found["expired_keys_active"]) == ("2", "1")
    assert (found["expired_subkeys"], found["expired_subkeys_active"]) == ("1", "1")


def test_the_peak_of_memory_has_its_time() -> None:
    server = Server()
    server("INFO", "memory")
    server.clock.advance(100)
    server.engine.note_memory(server.engine.memory_peak)
    before = server.engine.memory_peak_time
    server.engine.note_memory(server.engine.memory_peak * 2)
    assert server.engine.memory_peak_time == before + 100
    assert b"used_memory_peak_time:%d\r\n" % (before + 100) in server("INFO", "memory")
