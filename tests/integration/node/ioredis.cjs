// What ioredis sees: the connection as JSON in the first argument, what it found as JSON on standard output.
"use strict";
const Redis = require("ioredis");
const fs = require("fs");

const given = JSON.parse(process.argv[2]);
const options = {
  host: "127.0.0.1",
  port: given.port,
  username: given.username,
  password: given.password,
  retryStrategy: null,
};
if (given.tls) {
  options.tls = {
    ca: fs.readFileSync(given.tls.ca),
    cert: fs.readFileSync(given.tls.cert),
    key: fs.readFileSync(given.tls.key),
  };
}

async function main() {
  const Client = Redis.default || Redis;
  const client = new Client(options);
  const found = {};
  found.who = await client.call("ACL", "WHOAMI");
  found.set = await client.set("node:k", "v");
  found.get = await client.get("node:k");
  found.missing = await client.get("node:missing");
  await client.hset("node:h", { a: "1", b: "2" });
  found.hash = await client.hgetall("node:h");
  found.binary = (await client.setBuffer("node:b", Buffer.from([0, 13, 10, 255]), "GET")) === null &&
    (await client.getBuffer("node:b")).equals(Buffer.from([0, 13, 10, 255]));

  const pipeline = client.pipeline();
  for (let i = 0; i < 2000; i++) pipeline.incr("node:n");
  const replies = await pipeline.exec();
  found.pipeline = [replies.length, replies[1999][1]];
  found.transaction = await client.multi().set("node:t", "1").incr("node:t").exec();

  const subscriber = client.duplicate();
  const heard = [];
  const all = new Promise((resolve) => {
    const note = (...what) => {
      heard.push(what);
      if (heard.length === 2) resolve();
    };
    subscriber.on("message", (channel, message) => note("message", channel, message));
    subscriber.on("pmessage", (pattern, channel, message) => note("pmessage", pattern, channel, message));
  });
  found.subscribed = [await subscriber.subscribe("node:news"), await subscriber.psubscribe("node:w*")];
  found.published = [await client.publish("node:news", "hello"), await client.publish("node:weather", "rain")];
  await all;
  found.heard = heard;
  found.unsubscribed = await subscriber.unsubscribe("node:news");

  const waiter = client.duplicate();
  const popped = waiter.blpop("node:queue", 10);
  await client.rpush("node:queue", "job");
  found.popped = await popped;
  try {
    await client.lpush("node:k", "x");
  } catch (error) {
    found.error = error.message;
  }
  found.scanned = 0;
  for await (const keys of client.scanStream({ match: "node:*", count: 3 })) found.scanned += keys.length;
  await Promise.all([client.quit(), subscriber.quit(), waiter.quit()]);
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
