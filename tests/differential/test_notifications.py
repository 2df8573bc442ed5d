"""Keyspace events: which command raises which events, in which order, and with which flag."""

from __future__ import annotations

import codecs
import shlex

import pytest

from .harness import Pair, shown_command, taken
from .wire import parse

#: Commands grouped by the type that they work on. Each line runs on empty databases.
STORIES = {
    "strings": """
        SET s v; SETNX s v; SETEX s 100 v; SET s v KEEPTTL; SET s v EX 100; SET s v PXAT 1; SET s v GET; GETSET s w
        GETDEL s; MSET a 1 b 2; MSETNX a 1 c 3; MSETNX c 1 d 2; INCR a; DECRBY a 3; INCRBYFLOAT a 1.5; APPEND a x
        SETRANGE a 2 zz; SETRANGE e 0 ""; SETBIT bits 3 1; BITFIELD bits SET u8 0 200 GET u8 0; BITFIELD bits GET u8 0
        BITOP AND dest bits bits; BITOP AND dest none none2; GETEX a EX 100; GETEX a PERSIST; GETEX a; GETEX a EXAT 1
        PFADD h 1 2; PFADD h 1; PFMERGE h2 h; PFMERGE h2 h; SUBSTR b 0 1; LCS b b
    """,
    "keys": """
        SET k v; EXPIRE k 100; EXPIRE k 50 GT; PERSIST k; PERSIST k; PEXPIREAT k 1; SET k v; RENAME k l; RENAMENX l k
        COPY k c; COPY k c; COPY k c REPLACE; MOVE c 1; DEL k c; UNLINK nothing; SET k v; UNLINK k; SET t 1; TOUCH t
        SORT t; RPUSH nums 3 1 2; SORT nums STORE sorted; SORT none STORE sorted; SET a 1; EXPIRE a -1; RENAME t t
        SET x 1; SET y 2; RENAME x y; FLUSHDB; SWAPDB 0 1; GET missing; HGET missing f; EXISTS missing; TTL missing
        TYPE missing; OBJECT ENCODING missing
    """,
    "lists": """
        RPUSH l a b c; LPUSH l z; LPUSHX none a; RPUSHX l d; LINSERT l BEFORE b x; LINSERT l BEFORE nothing x
        LSET l 0 q; LREM l 0 x; LREM l 0 x; LTRIM l 1 3; LPOP l; RPOP l; LPOP l 0; RPOP l 5; RPUSH l a b c d
        LMOVE l m LEFT RIGHT; RPOPLPUSH l l; LMPOP 2 none l LEFT COUNT 2; BLPOP l 0; RPUSH l a b; BRPOP l 0
        BLMPOP 0 1 l LEFT; BLMOVE m n LEFT LEFT 0; LTRIM n 5 9; RPUSH l a; LREM l 1 a; BRPOPLPUSH n o 0.01
    """,
    "sets": """
        SADD s a b c; SADD s a; SREM s a nothing; SREM s nothing; SMOVE s t b; SMOVE s t nothing; SMOVE s s c; SPOP s 0
        SPOP s; SADD s a b c; SPOP s 3; SADD s a b; SADD t a; SINTERSTORE d s t; SUNIONSTORE d s t; SDIFFSTORE d s t
        SDIFFSTORE d t s; SDIFFSTORE d t s; SREM s a b; SADD i 1 2; SMOVE t i a
    """,
    "hashes": """
        HSET h a 1 b 2; HSETNX h a 2; HSETNX h c 1; HMSET h d 1; HINCRBY h a 2; HINCRBYFLOAT h a 1.5; HDEL h a nothing
        HDEL h nothing; HEXPIRE h 100 FIELDS 1 b; HPERSIST h FIELDS 1 b; HPERSIST h FIELDS 1 b
        HPEXPIREAT h 1 FIELDS 1 c; HEXPIRE h 100 FIELDS 1 nothing
        HGETDEL h FIELDS 1 b; HGETEX h EX 100 FIELDS 1 d; HGETEX h PERSIST FIELDS 1 d
        HGETEX h FIELDS 1 d; HSETEX h EX 100 FIELDS 1 e 1; HSETEX h FNX FIELDS 1 e 1; HSETEX h EXAT 1 FIELDS 1 e 1
        HGETDEL h FIELDS 1 d; HSET h a 1; HEXPIRE h 0 FIELDS 1 a; HSET h a 1; HDEL h a
    """,
    "sorted_sets": """
        ZADD z 1 a 2 b 3 c; ZADD z 1 a; ZADD z 5 a; ZADD z XX CH 6 a; ZADD z INCR 1 a; ZADD z NX INCR 1 a; ZINCRBY z 2 a
        ZREM z a nothing; ZREM z nothing; ZPOPMIN z; ZPOPMAX z; ZPOPMAX z; ZADD z 1 a 2 b 3 c 4 d; ZREMRANGEBYRANK z 0 0
        ZREMRANGEBYSCORE z 2 2; ZREMRANGEBYLEX z [c [c; ZMPOP 1 z MIN; ZADD z 1 a 2 b; ZADD y 1 a; ZINTERSTORE d 2 z y
        ZUNIONSTORE d 2 z y; ZDIFFSTORE d 2 z y; ZDIFFSTORE d 2 y z; ZRANGESTORE d z 0 -1; ZRANGESTORE d z 5 9
        BZPOPMIN z 0; BZMPOP 0 1 z MAX COUNT 5; GEOADD g 13.3 38.1 p 15 37.5 c; GEOADD g 13.3 38.1 p
        GEOSEARCHSTORE gs g FROMLONLAT 15 37 BYRADIUS 200 km; GEORADIUS g 15 37 200 km STORE gr
        GEOSEARCHSTORE gs g FROMLONLAT 1 1 BYRADIUS 1 m; ZREMRANGEBYSCORE y -inf +inf
    """,
    "streams": """
        XADD x 1-1 a 1; XADD x MAXLEN 1 2-1 a 1; XADD x NOMKSTREAM 3-1 a 1; XADD none NOMKSTREAM * a 1; XTRIM x MAXLEN 1
        XTRIM x MAXLEN 5; XDEL x 3-1 9-9; XDEL x 9-9; XSETID x 10-1; XGROUP CREATE x g 0; XGROUP CREATE y g $ MKSTREAM
        XGROUP CREATECONSUMER x g c; XGROUP CREATECONSUMER x g c; XADD x 11-1 a 1; XREADGROUP GROUP g c STREAMS x >
        XREADGROUP GROUP g d STREAMS x >; XREADGROUP GROUP g e STREAMS x 0; XACK x g 11-1; XCLAIM x g f 0 11-1
        XAUTOCLAIM x g k 0 0; XGROUP SETID x g 0; XGROUP DELCONSUMER x g c; XGROUP DELCONSUMER x g nobody
        XGROUP DESTROY x g; XGROUP DESTROY x g
    """,
    "transactions": "MULTI; SET k v; DEL k; LPUSH l a; LPOP l; EXEC; MULTI; SET k v; DISCARD",
}

#: Commands that replace values, or do not although it looks like it, and changes of hash fields. Redis 8.2 and 8.8
#: brought these events. Fields that expire in one step have different times: the order of others is Redis' own affair.
NEWER_STORIES = {
    "strings": """
        SET k 1; SET k 2; SET k 3 XX; SET k 4 KEEPTTL; SET k 5 EX 100; SET k 6 KEEPTTL GET; SET k 7 IFEQ 6; SET k x NX
        GETSET k 8; SETEX k 10 9; PSETEX k 10000 1; SETNX k 3; MSET k 1 k 2 j 1; MSETNX k 1 l 1; MSETNX m 1 m 2
        MSETEX 2 k 1 n 2 EX 100; MSETEX 2 k 1 n 2 KEEPTTL; MSETEX 1 k 1; INCR k; INCRBYFLOAT k 1.5; APPEND k 1
        SETRANGE k 0 9; SETBIT k 7 1; BITFIELD k SET u8 0 1; INCREX n; INCREX n EX 10; GETEX k EX 100; GETDEL k
        RPUSH l a; SET l v; DEL l; RPUSH l a; MSET l v; DEL l; RPUSH l a; SETEX l 10 v; DEL l; RPUSH l a
        SET l v KEEPTTL; DEL l; RPUSH l a; SET l v EX 10; DEL l; RPUSH l a; MSETEX 1 l 1 KEEPTTL; RPUSH o a
        SET o v PXAT 1; SET n 5 PXAT 1
        SET a abc; SET b abd; BITOP AND a a b; BITOP OR c a; RPUSH d x; BITOP NOT d a; BITOP AND d no no
        PFADD h 1; PFADD h 2; PFMERGE h2 h; PFMERGE h2 h; PFADD h2 9; PFMERGE h2 h
        SET old 1 PX 1; DEBUG SLEEP 0.01; SET old 2; SET old 1 PX 1; DEBUG SLEEP 0.01; MSET old 3
        SET old 1 PX 1; DEBUG SLEEP 0.01; GETSET old 3; SET old 1 PX 1; DEBUG SLEEP 0.01; SET old 2 KEEPTTL
    """,
    "keys": """
        SET a 1; SET b 2; RENAME a b; RPUSH l x; RENAME l b; SET c 1; COPY c b REPLACE; COPY c b REPLACE; COPY c d
        COPY c d; COPY b e DB 1; COPY c e DB 1 REPLACE; RENAMENX b c; RPUSH m 2 1; SORT m STORE c; SORT m STORE c
        SORT m STORE n; SORT m STORE m; RENAME m m; MOVE m 1; SET m 1; MOVE m 1; SET x 1; SET y 2 PX 1
        DEBUG SLEEP 0.01; RENAME x y
        SET y 2 PX 1; DEBUG SLEEP 0.01; COPY c y REPLACE; SET y 2 PX 1; DEBUG SLEEP 0.01; SORT c STORE y
        SET r 1; RESTORE r 0 "\\x00\\xc0\\x0a\\x0e\\x00\\x1c\\xc4\\x8f\\x3a\\x5d\\x9d\\x77\\xca" REPLACE
        LPUSH r2 1; RESTORE r2 0 "\\x00\\xc0\\x0a\\x0e\\x00\\x1c\\xc4\\x8f\\x3a\\x5d\\x9d\\x77\\xca" REPLACE
        RESTORE r3 5000 "\\x00\\xc0\\x0a\\x0e\\x00\\x1c\\xc4\\x8f\\x3a\\x5d\\x9d\\x77\\xca"
        FLUSHALL; SET k 1; SWAPDB 0 1
    """,
    "hash fields": """
        HSET h a 1 b 2 a 3; HMSET h c 1 c 2; HSETNX h d 1; HSETNX h d 1; HINCRBY h n 1; HINCRBYFLOAT h n 1.5
        HDEL h a no a; HDEL h no; HEXPIRE h 100 FIELDS 3 b no c; HEXPIRE h 50 GT FIELDS 2 b d
        HEXPIRE h 9 NX FIELDS 3 b d d
        HPERSIST h FIELDS 3 b no n; HPERSIST h FIELDS 1 n; HEXPIRE h 0 FIELDS 3 b no b; HGETEX h FIELDS 1 c
        HGETEX h EX 100 FIELDS 3 c no n; HGETEX h PERSIST FIELDS 3 n n d; HGETEX h EXAT 1 FIELDS 2 n no
        HGETDEL h FIELDS 3 d no d; HGETDEL h FIELDS 1 c; HSETEX h FIELDS 2 a 1 b 1; HSETEX h EX 100 FIELDS 2 a 1 b 1
        HSETEX h FNX EX 100 FIELDS 2 a 1 z 1; HSETEX h FXX KEEPTTL FIELDS 1 a 1; HSETEX h EXAT 1 FIELDS 2 a 1 y 1
        HSETEX h2 PXAT 1 FIELDS 2 a 1 a 2; HEXPIRE h 0 FIELDS 1 b; HSET "k\\nl" "f,1" 1 "" 2; HSET "" f 1
        HSET "p|q" f 1
        HSET h a 1 b 2 c 3 d 4; HPEXPIRE h 1 FIELDS 2 a b; DEBUG SLEEP 0.01; HGET h a; HEXISTS h b
        HPEXPIRE h 1 FIELDS 2 c d; DEBUG SLEEP 0.01; HGET h c; HGET h d
        HSET h a 1 b 2 c 3 d 4; HPEXPIRE h 1 FIELDS 2 a b; DEBUG SLEEP 0.01; HMGET h a b c; HPEXPIRE h 1 FIELDS 2 c d
        DEBUG SLEEP 0.01; HMGET h c d c; HSET h a 1; HPEXPIRE h 1 FIELDS 1 a; DEBUG SLEEP 0.01; HMGET h a
        HSET h a 1 b 2; HPEXPIRE h 1 FIELDS 1 a; HPEXPIRE h 4 FIELDS 1 b; DEBUG SLEEP 0.01; HRANDFIELD h 2
        HSET h a 1 b 2; HPEXPIRE h 1 FIELDS 1 b; DEBUG SLEEP 0.01; HRANDFIELD h; HSTRLEN h b
        HSET h a 1 b 2 c 3; HPEXPIRE h 1 FIELDS 2 a b; DEBUG SLEEP 0.01; HGETDEL h FIELDS 2 a b; HGETDEL h FIELDS 1 c
        HSET h a 1 b 2 c 3; HPEXPIRE h 1 FIELDS 2 a b; DEBUG SLEEP 0.01; HGETEX h EX 100 FIELDS 3 a b c
        HPEXPIRE h 1 FIELDS 1 c; DEBUG SLEEP 0.01; HGETEX h FIELDS 1 c
        HSET h a 1 b 2 c 3; HPEXPIRE h 1 FIELDS 2 a b; DEBUG SLEEP 0.01; HSETEX h FNX FIELDS 2 a 1 c 1
        HSETEX h FXX FIELDS 2 a 1 c 1; HSETEX h FNX FIELDS 2 b 1 q 1; HSET h a 1; HPEXPIRE h 1 FIELDS 1 a
        DEBUG SLEEP 0.01; HSETNX h a 1; HPEXPIRE h 1 FIELDS 1 a; DEBUG SLEEP 0.01; HINCRBY h a 1; DEL h
        HSET h a 1; HPEXPIRE h 1 FIELDS 1 a; DEBUG SLEEP 0.01; HINCRBYFLOAT h a 1; HSET w_a x 1
        HPEXPIRE w_a 1 FIELDS 1 x; RPUSH list a; DEBUG SLEEP 0.01; SORT list BY nosort GET w_*->x; COPY h h3
        RENAME h h4
        MULTI; HSET h5 a 1 b 2; HDEL h5 a; EXEC; EVAL "redis.call('HSET',KEYS[1],'a',1) redis.call('DEL',KEYS[1])" 1 h5
    """,
    "collections": """
        SADD s a b; SADD t a; SET d v; SINTERSTORE d s t; SUNIONSTORE d s t; SUNIONSTORE d s; SDIFFSTORE d t s; SET d v
        SDIFFSTORE d s t; SET d v; SDIFFSTORE d t s; ZADD z 1 a; SET d v; ZUNIONSTORE d 2 z s; ZINTERSTORE d 2 z s
        ZDIFFSTORE d 1 z; ZDIFFSTORE d 2 z z; SET d v; ZRANGESTORE d z 0 -1; ZRANGESTORE d z 5 9; SET d v
        GEOADD g 13.3 38.1 p 15 37.5 c; GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
        GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km; GEORADIUS g 15 37 200 km STORE d; SET d 1
        GEORADIUS g 15 37 200 km STOREDIST d; SADD s 1 2 3; SADD s x; SUNIONSTORE s s t; HSET hh a 1; ZUNIONSTORE hh 1 z
        SET d v PX 1; DEBUG SLEEP 0.01; SUNIONSTORE d s; SET d v PX 1; DEBUG SLEEP 0.01; ZUNIONSTORE d 1 z
        XADD x 1-1 a b; SUNIONSTORE x s; LPUSH li a; LMOVE li lj LEFT RIGHT; SADD u 1; SMOVE s u a; SPOP u 5
        MULTI; SET d 1; SUNIONSTORE d s; EXEC; EVAL "return redis.call('SET',KEYS[1],1)" 1 d
        EVAL "return redis.call('HSET',KEYS[1],'a',1)" 1 hash
    """,
}


def events(pair: Pair) -> tuple[list[bytes], list[bytes]]:
    """Returns the messages of both servers to the listener since the last call."""
    found = []
    for wire in pair.wire("listener"):
        wire.send(b"PING", b"until here")
        got: list[bytes] = []
        while b"until here" not in (reply := taken(wire)):
            got.append(reply)
        found.append(got)
    return found[0], found[1]


def play(pair: Pair, story: str, flags: str) -> int:
    """Runs ``story``. Returns the number of events that it has raised."""
    heard = 0
    pair.call("CONFIG", "SET", "notify-keyspace-events", flags)
    pair.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    pair.call("PSUBSCRIBE", "__*", client="listener")
    for text in (line for lines in story.splitlines() for line in lines.split(";")):
        argv = [codecs.escape_decode(word.encode())[0] for word in shlex.split(text)]
        if not argv:
            continue
        pair.send(*argv)
        for wire in pair.wire():
            taken(wire)  # other tests compare the replies
        real, ours = events(pair)
        assert ours == real, f"{flags}: {shown_command(argv)}: {[parse(each) for each in ours]}"
        heard += len(real)
    pair.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    pair.call("CONFIG", "SET", "notify-keyspace-events", "")
    return heard


@pytest.mark.parametrize("name", STORIES)
def test_everything_that_can_be_told(pair: Pair, name: str) -> None:
    assert play(pair, STORIES[name], "KEAmn") > 2


@pytest.mark.parametrize("flags", ["KEAmnocSTIV", "Eo", "Kc", "Khg"])
@pytest.mark.parametrize("name", NEWER_STORIES)
def test_newer_events(pair: Pair, name: str, flags: str) -> None:
    heard = play(pair, NEWER_STORIES[name], flags)
    assert heard > 2 or len(flags) == 2


@pytest.mark.parametrize("flag", "g$lszhtxedmnA")
def test_each_class_alone(pair: Pair, flag: str) -> None:
    if pair.resp == 3:
        pytest.skip("the classes have nothing to do with the protocol")
    for story in STORIES.values():
        pair.reset()
        play(pair, story, f"E{flag}")


@pytest.mark.parametrize("kind", ["K", "E", ""])
def test_keyspace_and_keyevent(pair: Pair, kind: str) -> None:
    assert bool(play(pair, STORIES["lists"], f"{kind}A")) == bool(kind)
