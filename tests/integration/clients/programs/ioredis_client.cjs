// ioredis, alone and with a cluster. It speaks RESP3 since its version 6.
"use strict";
const assert = require("assert");
const Redis = require("ioredis");
const { given, PATIENCE, until, tls, movingSlot, report, check } = require("./checks.cjs");

const options = { host: "127.0.0.1", port: given.port, protocol: given.protocol, connectTimeout: PATIENCE, retryStrategy: () => 5 };

// Calls `work` with clients of an empty server.
async function withClients(count, work, more = {}) {
  const clients = Array.from({ length: count }, () => new Redis({ ...options, ...more }));
  for (const client of clients) client.on("error", () => {});
  try {
    await clients[0].flushall();
    await work(...clients);
  } finally {
    for (const client of clients) client.disconnect();
  }
}

const fieldOf = async (client, section, field) =>
  ((await client.info(section)).match(new RegExp(`^${field}:(.*?)\r?$`, "m")) || [])[1];

check("values", () =>
  withClients(1, async (client) => {
    assert.equal(await client.set("text", "v", "EX", 100, "NX"), "OK");
    assert.equal(await client.get("text"), "v");
    assert.equal(await client.get("missing"), null);
    assert.equal(await client.hset("hash", { a: 1, b: "two" }), 2);
    assert.deepEqual({ ...(await client.hgetall("hash")) }, { a: "1", b: "two" });
    assert.equal(await client.zadd("board", 1.5, "ada", 2, "bob"), 2);
    assert.deepEqual(await client.zrange("board", 0, -1, "WITHSCORES"), ["ada", "1.5", "bob", "2"]);
    assert.equal(await client.geoadd("map", 13.361389, 38.115556, "Palermo"), 1);
    assert.match(JSON.stringify(await client.config("GET", "port")), new RegExp(given.port));
    assert.equal(await client.setBuffer("binary", Buffer.from([0, 13, 10, 255])).then(String), "OK");
    assert.deepEqual(await client.getBuffer("binary"), Buffer.from([0, 13, 10, 255]));
    const found = [];
    for await (const keys of client.scanStream({ count: 2 })) found.push(...keys);
    assert.deepEqual(found.sort(), ["binary", "board", "hash", "map", "text"]);
    await assert.rejects(client.lpush("text", "x"), /^ReplyError: WRONGTYPE Operation against a key/);
  }),
);

check("pipelines", () =>
  withClients(
    1,
    async (client) => {
      const pipeline = client.pipeline();
      for (let n = 0; n < 1000; n++) pipeline.set(`k:${n}`, n);
      const replies = await pipeline.lpush("k:1", "wrong").get("k:999").exec();
      assert.equal(replies.length, 1002);
      assert.match(replies[1000][0].message, /^WRONGTYPE/);
      assert.deepEqual(replies[1001], [null, "999"]);
      const together = await Promise.all(Array.from({ length: 50 }, () => client.incr("n")));
      assert.equal(Math.max(...together), 50);
    },
    { enableAutoPipelining: true },
  ),
);

check("transactions", () =>
  withClients(2, async (client, other) => {
    assert.deepEqual(await client.multi().incr("n").hset("h", "a", 1).exec(), [
      [null, 1],
      [null, 1],
    ]);
    await client.watch("n");
    await other.incr("n");
    assert.equal(await client.multi().incr("n").exec(), null);
    assert.equal(await client.multi({ pipeline: false }), "OK");
    assert.equal(await client.incr("n"), "QUEUED");
    assert.deepEqual(await client.exec(), [[null, 3]]);
    await assert.rejects(client.multi().set("only the key").exec(), /EXECABORT/);
  }),
);

check("messages", () =>
  withClients(2, async (client, listener) => {
    const heard = [];
    listener.on("message", (channel, message) => heard.push([channel, message]));
    listener.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
    listener.on("smessage", (channel, message) => heard.push([channel, message]));
    assert.equal(await listener.subscribe("news", "more"), 2);
    assert.equal(await listener.psubscribe("w*"), 3);
    assert.equal(await listener.ssubscribe("shard"), 1);
    assert.equal(await client.publish("news", "hello"), 1);
    assert.equal(await client.publish("weather", "rain"), 1);
    assert.equal(await client.spublish("shard", "piece"), 1);
    await until(() => heard.length === 3);
    assert.deepEqual(heard, [["news", "hello"], ["w*", "weather", "rain"], ["shard", "piece"]]);
    assert.deepEqual(await client.pubsub("NUMSUB", "news"), ["news", 1]);
    assert.equal(await listener.unsubscribe("news", "more"), 1);
    assert.equal(await client.publish("news", "nobody"), 0);
  }),
);

check("scripts", () =>
  withClients(1, async (client) => {
    client.defineCommand("add", { numberOfKeys: 1, lua: "return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}" });
    assert.deepEqual(await client.add("n", 5), ["n", 5]);
    await client.script("FLUSH");
    assert.deepEqual(await client.add("n", 1), ["n", 6]);
    await client.script("FLUSH");
    assert.deepEqual(await client.pipeline().add("n", 1).exec(), [[null, ["n", 7]]]);
    const code = "#!lua name=lib\nredis.register_function('double', function(_, a) return a[1] * 2 end)";
    assert.equal(await client.function("LOAD", "REPLACE", code), "lib");
    assert.equal(await client.fcall("double", 0, 21), 42);
    assert.equal(await client.function("DELETE", "lib"), "OK");
  }),
);

check("waiting", () =>
  withClients(2, async (client, waiter) => {
    for (const [wait, write, expected] of [
      [() => waiter.blpop("one", "two", 30), () => client.rpush("two", "job"), ["two", "job"]],
      [() => waiter.blmove("from", "to", "LEFT", "RIGHT", 30), () => client.rpush("from", "moved"), "moved"],
      [() => waiter.bzpopmin("board", 30), () => client.zadd("board", 1, "m"), ["board", "m", "1"]],
      [
        () => waiter.xread("BLOCK", 30000, "STREAMS", "log", "$"),
        () => client.xadd("log", "1-1", "n", 1),
        [["log", [["1-1", ["n", "1"]]]]],
      ],
    ]) {
      const waiting = wait();
      await until(async () => (await fieldOf(client, "clients", "blocked_clients")) === "1");
      await write();
      assert.deepEqual(await waiting, expected);
    }
    assert.equal(await waiter.blpop("nothing", 0.01), null);
  }),
);

check("streams", () =>
  withClients(1, async (client) => {
    await client.xadd("log", "1-1", "n", 1);
    assert.equal(await client.xgroup("CREATE", "log", "team", 0), "OK");
    const read = await client.xreadgroup("GROUP", "team", "ann", "STREAMS", "log", ">");
    assert.deepEqual(read, [["log", [["1-1", ["n", "1"]]]]]);
    assert.deepEqual(await client.xpending("log", "team"), [1, "1-1", "1-1", [["ann", "1"]]]);
    assert.deepEqual((await client.xautoclaim("log", "team", "bob", 0, 0))[1], [["1-1", ["n", "1"]]]);
    assert.equal(await client.xack("log", "team", "1-1"), 1);
  }),
);

check("monitoring", () =>
  withClients(2, async (client, watcher) => {
    const monitor = await watcher.monitor();
    const seen = [];
    monitor.on("monitor", (time, args) => seen.push(args));
    await until(async () => {
      await client.set("watched", "v");
      return seen.some((args) => args.join(" ").toLowerCase() === "set watched v");
    });
    monitor.disconnect();
  }),
);

check("reconnection", () =>
  withClients(3, async (client, other, listener) => {
    await client.set("k", "v");
    const heard = [];
    listener.on("message", (channel, message) => heard.push(message));
    await listener.subscribe("news");
    assert.equal(await other.client("KILL", "ID", await client.client("ID")), 1);
    assert.equal(await other.client("KILL", "TYPE", "pubsub"), 1);
    assert.equal(await client.get("k"), "v");
    await until(async () => {
      await other.publish("news", "again");
      return heard.includes("again");
    });
  }),
);

check("users", async () => {
  const { name: username, password } = given.user;
  const client = new Redis({ ...options, username, password });
  try {
    assert.equal(await client.acl("WHOAMI"), "alice");
    assert.equal(await client.set("open:k", "v"), "OK");
    await assert.rejects(client.set("closed", "v"), /NOPERM No permissions to access a key/);
    await assert.rejects(client.lpush("open:list", "x"), /has no permissions to run the 'lpush' command/);
  } finally {
    client.disconnect();
  }
});

check("unix_sockets", () =>
  withClients(
    1,
    async (client) => {
      assert.equal(await client.set("k", "x".repeat(1000000)), "OK");
      assert.equal((await client.get("k")).length, 1000000);
    },
    { path: given.socket },
  ),
);

check("tls", () =>
  withClients(
    1,
    async (client) => {
      assert.equal(await client.set("k", "x".repeat(100000)), "OK");
      assert.equal((await client.get("k")).length, 100000);
    },
    { port: given.tls.port, tls: tls() },
  ),
);

check("cluster", async () => {
  const cluster = new Redis.Cluster([{ host: "127.0.0.1", port: given.cluster[0] }], { slotsRefreshTimeout: PATIENCE });
  try {
    // The first command waits until the client knows the slots.
    await cluster.get("k");
    await Promise.all(cluster.nodes("master").map((node) => node.flushall()));
    await Promise.all(Array.from({ length: 100 }, (_, n) => cluster.set(`k${n}`, n)));
    const sizes = await Promise.all(cluster.nodes("master").map((node) => node.dbsize()));
    assert.equal(sizes.length, 3);
    assert.equal(sizes.reduce((one, other) => one + other), 100);
    assert.equal(await cluster.get("k99"), "99");
    const replies = await cluster.pipeline().set("{tag}a", 1).incr("{tag}a").get("{tag}a").exec();
    assert.deepEqual(replies.map(([, reply]) => reply), ["OK", 2, "2"]);
    cluster.defineCommand("add", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" });
    assert.equal(await cluster.add("{tag}a", 5), 7);
    await assert.rejects(cluster.mget("a", "b"), /CROSSSLOT/);
    const listener = cluster.duplicate();
    const heard = [];
    listener.on("message", (channel, message) => heard.push(message));
    await listener.subscribe("news");
    await until(async () => {
      await cluster.publish("news", "hello");
      return heard.includes("hello");
    });
    listener.disconnect();
  } finally {
    cluster.disconnect();
  }
});

check("moving_slots", async () => {
  const cluster = new Redis.Cluster(
    given.cluster.map((port) => ({ host: "127.0.0.1", port })),
    { slotsRefreshTimeout: PATIENCE },
  );
  try {
    await cluster.get("k");
    await Promise.all(cluster.nodes("master").map((node) => node.flushall()));
    await cluster.set("{slot}old", "v");
    await movingSlot("{slot}old", async () => {
      assert.equal(await cluster.set("{slot}new", "w"), "OK");
      assert.equal(await cluster.get("{slot}new"), "w");
      assert.equal(await cluster.get("{slot}old"), "v");
    });
    assert.deepEqual(await cluster.mget("{slot}new", "{slot}old"), ["w", "v"]);
  } finally {
    cluster.disconnect();
  }
});

report("ioredis");
