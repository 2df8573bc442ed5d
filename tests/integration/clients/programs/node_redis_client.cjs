// node-redis: its client, its pool and its cluster.
"use strict";
const assert = require("assert");
const { createClient, createClientPool, createCluster, defineScript, BasicClientSideCache } = require("redis");
const { given, PATIENCE, until, tls, movingSlot, report, check } = require("./checks.cjs");

const RESP = given.protocol;
const socket = { host: "127.0.0.1", port: given.port, connectTimeout: PATIENCE, reconnectStrategy: () => 5 };
const add = defineScript({
  SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
  NUMBER_OF_KEYS: 1,
  parseCommand(parser, key, amount) {
    parser.pushKey(key);
    parser.push(String(amount));
  },
  transformReply: undefined,
});

// Calls `work` with clients of an empty server.
async function withClients(count, work, more = {}) {
  const clients = [];
  try {
    for (let n = 0; n < count; n++) {
      const client = createClient({ socket, RESP, ...more });
      client.on("error", () => {});
      clients.push(await client.connect());
    }
    await clients[0].flushAll();
    await work(...clients);
  } finally {
    for (const client of clients) client.destroy();
  }
}

const plain = (value) => JSON.parse(JSON.stringify(value));
const fieldOf = async (client, section, field) =>
  ((await client.info(section)).match(new RegExp(`^${field}:(.*?)\r?$`, "m")) || [])[1];

check("values", () =>
  withClients(
    1,
    async (client) => {
      const options = { expiration: { type: "EX", value: 100 }, condition: "NX" };
      assert.equal(await client.set("text", "v", options), "OK");
      assert.equal(await client.get("text"), "v");
      assert.equal(await client.get("missing"), null);
      assert.equal(await client.hSet("hash", { a: 1, b: "two" }), 2);
      assert.deepEqual(plain(await client.hGetAll("hash")), { a: "1", b: "two" });
      assert.deepEqual(await client.hExpire("hash", "a", 100), [1]);
      assert.equal(await client.zAdd("board", [{ score: 1.5, value: "ada" }, { score: 2, value: "bob" }]), 2);
      assert.deepEqual(plain(await client.zRangeWithScores("board", 0, -1)), [
        { value: "ada", score: 1.5 },
        { value: "bob", score: 2 },
      ]);
      assert.equal(await client.geoAdd("map", { longitude: 13.361389, latitude: 38.115556, member: "Palermo" }), 1);
      assert.equal(String(plain(await client.geoPos("map", "Palermo"))[0].longitude).slice(0, 6), "13.361");
      assert.deepEqual(plain(await client.configGet("port")), { port: String(given.port) });
      const found = [];
      for await (const keys of client.scanIterator({ COUNT: 2 })) found.push(...keys);
      assert.deepEqual(found.sort(), ["board", "hash", "map", "text"]);
      assert.equal(await client.clientGetName(), "me");
      assert.equal((await client.clientInfo()).libName, "node-redis");
      assert.equal((await client.commandInfo(["get"]))[0].name, "get");
      assert.deepEqual(await client.memoryUsage("missing"), null);
      await assert.rejects(client.lPush("text", "x"), /WRONGTYPE Operation against a key/);
    },
    { name: "me" },
  ),
);

check("pipelines", () =>
  withClients(1, async (client) => {
    const numbers = await Promise.all(Array.from({ length: 1000 }, () => client.incr("n")));
    assert.equal(numbers[999], 1000);
    const many = client.multi();
    for (let n = 0; n < 100; n++) many.set(`k:${n}`, String(n));
    assert.deepEqual(await many.get("k:99").execAsPipeline(), [...Array(100).fill("OK"), "99"]);
  }),
);

check("transactions", () =>
  withClients(2, async (client, other) => {
    assert.deepEqual(await client.multi().incr("n").hSet("h", "a", "1").exec(), [1, 1]);
    await client.watch("n");
    await other.incr("n");
    await assert.rejects(client.multi().incr("n").exec(), { name: "Error" });
    assert.equal(await client.get("n"), "2");
  }),
);

check("messages", () =>
  withClients(2, async (client, listener) => {
    const heard = [];
    const note = (message, channel) => heard.push([channel, message]);
    await listener.subscribe("news", note);
    await listener.pSubscribe("w*", note);
    await listener.sSubscribe("shard", note);
    assert.equal(await client.publish("news", "hello"), 1);
    assert.equal(await client.publish("weather", "rain"), 1);
    assert.equal(await client.sPublish("shard", "piece"), 1);
    await until(() => heard.length === 3);
    assert.deepEqual(heard, [["news", "hello"], ["weather", "rain"], ["shard", "piece"]]);
    assert.deepEqual(plain(await client.pubSubNumSub("news")), { news: 1 });
    await listener.unsubscribe("news");
    assert.equal(await client.publish("news", "nobody"), 0);
  }),
);

check("scripts", () =>
  withClients(
    1,
    async (client) => {
      assert.equal(await client.add("n", 5), 5);
      await client.scriptFlush();
      assert.equal(await client.add("n", 1), 6);
      assert.deepEqual(await client.multi().add("n", 1).get("n").exec(), [7, "7"]);
      const code = "#!lua name=lib\nredis.register_function('double', function(_, a) return a[1] * 2 end)";
      assert.equal(await client.functionLoad(code, { REPLACE: true }), "lib");
      assert.equal(await client.fCall("double", { keys: [], arguments: ["21"] }), 42);
      assert.equal((await client.functionList())[0].library_name, "lib");
      assert.equal(await client.functionDelete("lib"), "OK");
    },
    { scripts: { add } },
  ),
);

check("waiting", () =>
  withClients(2, async (client, waiter) => {
    for (const [wait, write, expected] of [
      [() => waiter.blPop(["one", "two"], 30), () => client.rPush("two", "job"), { key: "two", element: "job" }],
      [() => waiter.blMove("from", "to", "LEFT", "RIGHT", 30), () => client.rPush("from", "moved"), "moved"],
      [
        () => waiter.bzPopMin("board", 30),
        () => client.zAdd("board", { score: 1, value: "m" }),
        { key: "board", value: "m", score: 1 },
      ],
    ]) {
      const waiting = wait();
      await until(async () => (await fieldOf(client, "clients", "blocked_clients")) === "1");
      await write();
      assert.deepEqual(plain(await waiting), expected);
    }
    assert.equal(await waiter.blPop("nothing", 0.01), null);
  }),
);

check("streams", () =>
  withClients(1, async (client) => {
    await client.xAdd("log", "1-1", { n: "1" });
    assert.equal(await client.xGroupCreate("log", "team", "0"), "OK");
    const read = plain(await client.xReadGroup("team", "ann", { key: "log", id: ">" }));
    assert.match(JSON.stringify(read), /"1-1"/);
    assert.equal((await client.xPending("log", "team")).pending, 1);
    assert.equal((await client.xAutoClaim("log", "team", "bob", 0, "0")).messages[0].id, "1-1");
    assert.equal(await client.xAck("log", "team", "1-1"), 1);
    assert.equal((await client.xInfoStream("log")).length, 1);
  }),
);

check("monitoring", () =>
  withClients(2, async (client, watcher) => {
    const seen = [];
    await watcher.monitor((line) => seen.push(String(line)));
    await until(async () => {
      await client.set("watched", "v");
      return seen.some((line) => line.includes('"SET" "watched" "v"'));
    });
  }),
);

check("reconnection", () =>
  withClients(3, async (client, other, listener) => {
    await client.set("k", "v");
    const heard = [];
    await listener.subscribe("news", (message) => heard.push(message));
    assert.equal(await other.clientKill({ filter: "ID", id: await client.clientId() }), 1);
    assert.equal(await other.clientKill({ filter: "TYPE", type: "PUBSUB" }), 1);
    await until(async () => {
      try {
        return (await client.get("k")) === "v";
      } catch {
        return false;
      }
    });
    await until(async () => {
      await other.publish("news", "again");
      return heard.includes("again");
    });
  }),
);

if (RESP === 3) {
  check("tracking", async () => {
    const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 100, evictPolicy: "LRU" });
    await withClients(1, async (other) => {
      const client = createClient({ socket, RESP, clientSideCache: cache });
      client.on("error", () => {});
      await client.connect();
      try {
        await other.set("k", "old");
        assert.equal(await client.get("k"), "old");
        const before = await fieldOf(other, "commandstats", "cmdstat_get");
        for (let n = 0; n < 10; n++) assert.equal(await client.get("k"), "old");
        assert.equal(await fieldOf(other, "commandstats", "cmdstat_get"), before);
        await other.set("k", "new");
        await until(async () => (await client.get("k")) === "new");
      } finally {
        client.destroy();
      }
    });
  });
}

check("pool", async () => {
  const pool = createClientPool({ socket, RESP }, { minimum: 1, maximum: 4 });
  await pool.connect();
  try {
    await pool.flushAll();
    const waiting = pool.blPop("queue", 30);
    await pool.rPush("queue", "job");
    assert.deepEqual(plain(await waiting), { key: "queue", element: "job" });
  } finally {
    pool.destroy();
  }
});

check("users", async () => {
  const { name: username, password } = given.user;
  const client = createClient({ socket, RESP, username, password });
  client.on("error", () => {});
  await client.connect();
  try {
    assert.equal(await client.aclWhoAmI(), "alice");
    assert.equal(await client.set("open:k", "v"), "OK");
    await assert.rejects(client.set("closed", "v"), /NOPERM No permissions to access a key/);
    await assert.rejects(client.lPush("open:list", "x"), /has no permissions to run the 'lpush' command/);
  } finally {
    client.destroy();
  }
});

check("unix_sockets", () =>
  withClients(
    1,
    async (client) => {
      assert.equal(await client.set("k", "x".repeat(1000000)), "OK");
      assert.equal((await client.get("k")).length, 1000000);
    },
    { socket: { path: given.socket } },
  ),
);

check("tls", () =>
  withClients(
    1,
    async (client) => {
      assert.equal(await client.set("k", "x".repeat(100000)), "OK");
      assert.equal((await client.get("k")).length, 100000);
    },
    { socket: { ...socket, port: given.tls.port, tls: true, ...tls() } },
  ),
);

check("cluster", async () => {
  const rootNodes = given.cluster.slice(0, 1).map((port) => ({ socket: { host: "127.0.0.1", port } }));
  const cluster = createCluster({ rootNodes, defaults: { RESP }, RESP, scripts: { add } });
  cluster.on("error", () => {});
  await cluster.connect();
  try {
    const nodes = await Promise.all(cluster.masters.map((master) => cluster.nodeClient(master)));
    assert.equal(nodes.length, 3);
    await Promise.all(nodes.map((node) => node.flushAll()));
    await Promise.all(Array.from({ length: 100 }, (_, n) => cluster.set(`k${n}`, String(n))));
    const sizes = await Promise.all(nodes.map((node) => node.dbSize()));
    assert.equal(sizes.reduce((one, other) => one + other), 100);
    assert.equal(await cluster.get("k99"), "99");
    assert.deepEqual(await cluster.multi().set("{tag}a", "1").incr("{tag}a").exec(), ["OK", 2]);
    assert.equal(await cluster.add("{tag}a", 5), 7);
    const heard = [];
    await cluster.sSubscribe("shard", (message) => heard.push(message));
    await until(async () => {
      await cluster.sPublish("shard", "piece");
      return heard.includes("piece");
    });
  } finally {
    cluster.destroy();
  }
});

check("moving_slots", async () => {
  const rootNodes = given.cluster.map((port) => ({ socket: { host: "127.0.0.1", port } }));
  const cluster = createCluster({ rootNodes, defaults: { RESP }, RESP });
  cluster.on("error", () => {});
  await cluster.connect();
  try {
    const nodes = await Promise.all(cluster.masters.map((master) => cluster.nodeClient(master)));
    await Promise.all(nodes.map((node) => node.flushAll()));
    await cluster.set("{slot}old", "v");
    await movingSlot("{slot}old", async () => {
      assert.equal(await cluster.set("{slot}new", "w"), "OK");
      assert.equal(await cluster.get("{slot}new"), "w");
      assert.equal(await cluster.get("{slot}old"), "v");
    });
    assert.deepEqual(await cluster.mGet(["{slot}new", "{slot}old"]), ["w", "v"]);
  } finally {
    cluster.destroy();
  }
});

report("redis");
