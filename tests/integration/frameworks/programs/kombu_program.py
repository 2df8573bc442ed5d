"""kombu alone: queues, exchanges of each type, acknowledgements, priorities and lost consumers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from checks import PATIENCE, check, report
from kombu import Connection, Consumer, Exchange, Queue
from place import client, url


@contextlib.contextmanager
def connected(**options: Any) -> Iterator[Connection]:
    client(1).flushdb()
    with Connection(url(1), transport_options=options) as connection:
        yield connection


@check
def simple_queues() -> None:
    with connected() as connection, connection.SimpleQueue("simple") as queue:
        for number in range(10):
            queue.put({"number": number}, compression="zlib" if number % 2 else None)
        assert queue.qsize() == 10
        messages = [queue.get(timeout=PATIENCE) for _ in range(10)]
        assert [message.payload["number"] for message in messages] == list(range(10))
        for message in messages:
            message.ack()
        assert client(1).llen("simple") == client(1).zcard("unacked_index") == 0


@check
def exchanges() -> None:
    with connected() as connection:
        direct, topic = Exchange("direct", type="direct"), Exchange("topic", type="topic")
        fanout = Exchange("fanout", type="fanout")
        found: dict[str, list[Any]] = {"direct": [], "topic": [], "one": [], "two": []}
        queues = {
            "direct": Queue("q-direct", direct, routing_key="a"),
            "topic": Queue("q-topic", topic, routing_key="news.*"),
            "one": Queue("q-one", fanout),
            "two": Queue("q-two", fanout),
        }
        with contextlib.ExitStack() as stack:
            for name, queue in queues.items():

                def take(body: Any, message: Any, name: str = name) -> None:
                    found[name].append(body)
                    message.ack()

                # A channel remembers one queue for each fanout exchange.
                channel = connection.channel()
                stack.enter_context(Consumer(channel, [queue], callbacks=[take]))
            # The subscriptions take effect while the events are drained.
            with contextlib.suppress(socket.timeout):
                connection.drain_events(timeout=0.1)
            producer = connection.Producer()
            producer.publish("one", exchange=direct, routing_key="a")
            producer.publish("none", exchange=direct, routing_key="b")
            producer.publish("two", exchange=topic, routing_key="news.local")
            producer.publish("none", exchange=topic, routing_key="sports.local")
            producer.publish("all", exchange=fanout)
            while sum(map(len, found.values())) < 4:
                connection.drain_events(timeout=PATIENCE)
            assert found == {"direct": ["one"], "topic": ["two"], "one": ["all"], "two": ["all"]}


@check
def priorities() -> None:
    with connected(queue_order_strategy="priority", sep=":", priority_steps=[0, 3, 6, 9]) as connection:
        queue = Queue("prio", Exchange("prio"), routing_key="prio")
        bound = queue(connection.channel())
        bound.declare()
        producer = connection.Producer()
        for priority in (9, 0, 6, 3):
            producer.publish(priority, exchange=queue.exchange, routing_key="prio", priority=priority)
        found = []
        for _ in range(4):
            message = bound.get()
            found.append(message.payload)
            message.ack()
        assert found == [0, 3, 6, 9]


@check
def messages_that_nobody_acknowledges() -> None:
    with connected() as connection:
        queue = Queue("lost", Exchange("lost"), routing_key="lost")
        bound = queue(connection.channel())
        bound.declare()
        connection.Producer().publish("again", exchange=queue.exchange, routing_key="lost")
        first = bound.get()
        assert first.payload == "again" and bound.get() is None
        assert client(1).hlen("unacked") == 1
        first.requeue()
        second = bound.get()
        assert second.payload == "again" and second.delivery_info["redelivered"]
        second.reject()
        assert client(1).hlen("unacked") == 0
        connection.Producer().publish("back", exchange=queue.exchange, routing_key="lost")
        assert bound.get().payload == "back"
        # The channel gives back what was not acknowledged when it closes.
        bound.channel.close()
        assert queue(connection.channel()).get().payload == "back"


if __name__ == "__main__":
    report("kombu")
