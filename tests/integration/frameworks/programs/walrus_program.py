"""walrus: containers, models with indexes, caches, locks, rate limits, autocompletion and streams."""

from __future__ import annotations

from checks import check, report
from place import pool, raises
from walrus import Database, IntegerField, Model, TextField
from walrus.rate_limit import RateLimitException

db = Database(connection_pool=pool())


class Person(Model):
    __database__ = db
    name = TextField(primary_key=True)
    age = IntegerField(index=True)
    notes = TextField(fts=True, default="")


@check
def containers() -> None:
    hash_, list_, set_, zset = db.Hash("h"), db.List("l"), db.Set("s"), db.ZSet("z")
    hash_.update(a="1", b="2")
    assert hash_.as_dict(decode=True) == {"a": "1", "b": "2"} and len(hash_) == 2
    list_.extend("abcd")
    assert list_[1:3] == [b"b", b"c"] and len(list_) == 4
    set_.add("x", "y")
    assert (set_ & db.Set("s")) == {b"x", b"y"}
    zset.add({"ada": 3, "bob": 1, "eve": 2})
    assert zset.range(0, 1) == [b"bob", b"eve"] and zset.score("ada") == 3.0
    assert zset.popmin() == [(b"bob", 1.0)] and next(iter(zset))[0] == b"eve"


@check
def models() -> None:
    for number in range(20):
        Person.create(name=f"person {number}", age=number, notes="likes tea" if number % 2 else "likes coffee")
    assert Person.load("person 7").age == 7
    assert sorted(person.age for person in Person.query((Person.age >= 5) & (Person.age < 8))) == [5, 6, 7]
    assert len(list(Person.query(Person.notes.search("tea")))) == 10
    Person.load("person 7").delete()
    with raises(ValueError):
        Person.get(Person.age == 7)
    assert Person.count() == 19


@check
def caches_and_locks() -> None:
    calls: list[int] = []
    cache = db.cache("cache", default_timeout=100)

    @cache.cached()
    def squared(number: int) -> int:
        calls.append(number)
        return number * number

    assert [squared(3), squared(3), squared(4)] == [9, 9, 16] and calls == [3, 4]
    lock = db.lock("door", ttl=100_000)
    assert lock.acquire() and not db.lock("door", ttl=100_000).acquire(block=False)
    assert lock.release()
    with db.lock("door", ttl=100_000):
        assert not db.lock("door", ttl=100_000).acquire(block=False)


@check
def rate_limits() -> None:
    for name, make in (("plain", db.rate_limit), ("lua", db.rate_limit_lua)):
        limit = make(name, limit=3, per=1000)
        assert [limit.limit("ada") for _ in range(5)] == [False, False, False, True, True], name

        @limit.rate_limited(lambda: "bob")
        def call() -> None:
            pass

        for _ in range(3):
            call()
        with raises(RateLimitException):
            call()


@check
def autocompletion() -> None:
    complete = db.autocomplete("places")
    for number, title in enumerate(["new york", "new orleans", "newcastle", "york"]):
        complete.store(f"place {number}", title, {"title": title})
    assert [found["title"] for found in complete.search("newc")] == ["newcastle"]
    assert sorted(found["title"] for found in complete.search("yo")) == ["new york", "york"]


@check
def streams() -> None:
    stream = db.Stream("events")
    ids = [stream.add({"n": str(number)}) for number in range(5)]
    assert len(stream) == 5 and stream[ids[2]][1] == {b"n": b"2"}
    group = db.consumer_group("workers", ["events"], consumer="one")
    group.create()
    group.set_id("0")
    ((key, messages),) = group.read(count=3)
    assert key == "events" or key == b"events"
    assert len(messages) == 3
    assert group.events.ack(*(message for message, _ in messages)) == 3


if __name__ == "__main__":
    report("walrus")
