"""Writes to a cluster through redis-py until standard input ends. See benchlib/writers.py for input and output."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry


def write(plan: dict[str, Any], worker: int, lines: list[str], stopping: threading.Event) -> None:
    """Writes the keys of one worker."""
    tags = plan["workers"][worker]
    cluster: RedisCluster | None = None
    number = 0
    while not stopping.wait(plan["pause"]):
        number += 1
        key = f"{{{tags[number % len(tags)]}}}:{worker}:{number}"
        began = time.monotonic()
        try:
            if cluster is None:
                cluster = RedisCluster(
                    startup_nodes=[ClusterNode(*address) for address in plan["nodes"]],
                    socket_timeout=plan["timeout"],
                    socket_connect_timeout=plan["timeout"],
                    retry=Retry(ConstantBackoff(0.05), 3),
                )
            cluster.set(key, key)
            lines.append(f"ok\t{began}\t{time.monotonic()}\t{key}")
            if plan["wait"]:
                # WAIT concerns the writes of its own connection, so both commands go over the same one.
                node = cluster.get_node_from_key(key)
                with cluster.get_redis_connection(node).pipeline(transaction=False) as pipeline:
                    replies = pipeline.set(key, key).wait(1, plan["wait"]).execute()
                if replies[0] is True and replies[1] >= 1:
                    lines.append(f"safe\t{began}\t{time.monotonic()}\t{key}")
        except (redis.RedisError, OSError) as error:
            text = " ".join(f"{type(error).__name__} {error}".split())
            lines.append(f"error\t{began}\t{time.monotonic()}\t{key}\t{text}")
    if cluster is not None:
        cluster.close()


def main() -> None:
    plan = json.loads(sys.stdin.readline())
    lines: list[str] = []
    stopping = threading.Event()
    workers = [
        threading.Thread(target=write, args=(plan, worker, lines, stopping)) for worker in range(len(plan["workers"]))
    ]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    stopping.set()
    for worker in workers:
        worker.join()
    print("\n".join(lines))


if __name__ == "__main__":
    main()
