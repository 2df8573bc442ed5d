// What node-redis sees: the connection as JSON in the first argument, what it found as JSON on standard output.
"use strict";
const { createClient } = require("redis");
const fs = require("fs");

const given = JSON.parse(process.argv[2]);
const socket = { host: "127.0.0.1", port: given.port, reconnectStrategy: false };
if (given.tls) {
  Object.assign(socket, {
    tls: true,
    ca: fs.readFileSync(given.tls.ca),
    cert: fs.readFileSync(given.tls.cert),
    key: fs.readFileSync(given.tls.key),
  });
}
const options = { socket, RESP: given.protocol, username: given.username, password: given.password };

async function connected() {
  const client = createClient(options);
  client.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  return client.connect();
}

async function main() {
  const client = await connected();
  const found = {};
  found.who = await client.aclWhoAmI();
  found.set = await client.set("node:k", "v");
  found.get = await client.get("node:k");
  found.missing = await client.get("node:missing");
  await client.hSet("node:h", { a: "1", b: "2" });
  found.hash = await client.hGetAll("node:h");
  await client.zAdd("node:z", { score: 1.5, value: "m" });
  found.score = await client.zScore("node:z", "m");

  const numbers = await Promise.all(Array.from({ length: 2000 }, () => client.incr("node:n")));
  found.pipeline = [numbers.length, numbers[1999]];
  found.transaction = await client.multi().set("node:t", "1").incr("node:t").exec();

  const subscriber = await connected();
  const heard = [];
  let resolve;
  const all = new Promise((done) => (resolve = done));
  const note = (message, channel) => {
    heard.push([channel, message]);
    if (heard.length === 2) resolve();
  };
  await subscriber.subscribe("node:news", note);
  await subscriber.pSubscribe("node:w*", note);
  found.published = [await client.publish("node:news", "hello"), await client.publish("node:weather", "rain")];
  await all;
  found.heard = heard;
  await subscriber.unsubscribe();
  await subscriber.pUnsubscribe();

  const waiter = await connected();
  const popped = waiter.blPop("node:queue", 10);
  await client.rPush("node:queue", "job");
  found.popped = await popped;
  try {
    await client.lPush("node:k", "x");
  } catch (error) {
    found.error = error.message;
  }
  found.scanned = 0;
  for await (const keys of client.scanIterator({ MATCH: "node:*", COUNT: 3 })) found.scanned += keys.length;
  await Promise.all([client.close(), subscriber.close(), waiter.close()]);
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
