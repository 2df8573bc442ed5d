// Named checks of a client library, which run one after the other.
//
// `report` prints a JSON object on one line: the version of the library and, for each check, "ok" or the stack.
"use strict";
const fs = require("fs");
const net = require("net");
const path = require("path");

const given = JSON.parse(process.env.GIVEN);
const PATIENCE = 30000;
const checks = [];

// Waits until an asynchronous condition is true.
async function until(condition) {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it takes too long")), 2 * PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Returns the answer to a request over a connection of its own: a line, or the text of a short string.
function ask(port, ...words) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let told = "";
    socket.on("error", reject);
    socket.on("data", (data) => {
      told += data;
      const lines = told.split("\r\n");
      if (lines.length < (told.startsWith("$") && !told.startsWith("$-1") ? 3 : 2)) return;
      socket.destroy();
      resolve(lines[lines.length - 2]);
    });
    const parts = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`);
    socket.write(`*${words.length}\r\n${parts.join("")}`);
  });
}

// Moves the slot of an existing key to another node of the cluster, and calls `meanwhile` before the key moves. Then its
// old node answers with ASK if a key does not exist there. Afterwards, it answers with MOVED.
async function movingSlot(key, meanwhile) {
  const nodes = given.cluster;
  const slot = (await ask(nodes[0], "CLUSTER", "KEYSLOT", key)).slice(1);
  const found = await Promise.all(nodes.map((port) => ask(port, "EXISTS", key)));
  const old = nodes[found.indexOf(":1")];
  const to = nodes.find((port) => port !== old);
  const [oldId, newId] = [await ask(old, "CLUSTER", "MYID"), await ask(to, "CLUSTER", "MYID")];
  const steps = async (...requests) => {
    for (const request of requests) {
      const answer = await ask(...request);
      if (answer !== "+OK") throw new Error(`${request}: ${answer}`);
    }
  };
  await steps(
    [to, "CLUSTER", "SETSLOT", slot, "IMPORTING", oldId],
    [old, "CLUSTER", "SETSLOT", slot, "MIGRATING", newId],
  );
  await meanwhile();
  await steps(
    [old, "MIGRATE", "127.0.0.1", to, key, 0, 30000],
    [to, "CLUSTER", "SETSLOT", slot, "NODE", newId],
    [old, "CLUSTER", "SETSLOT", slot, "NODE", newId],
  );
}

// The options of Node's TLS for a client with a certificate.
function tls() {
  const { ca, cert, key } = given.tls;
  return { ca: fs.readFileSync(ca), cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
}

function versionOf(library) {
  const folder = process.env.NODE_PATH;
  return JSON.parse(fs.readFileSync(path.join(folder, library, "package.json"))).version;
}

async function report(library) {
  const found = {};
  for (const [name, work] of checks) {
    try {
      await inTime(work());
      found[name] = "ok";
    } catch (error) {
      found[name] = String((error && error.stack) || error);
    }
  }
  console.log(JSON.stringify({ version: versionOf(library), checks: found }));
  process.exit(0);
}

module.exports = { given, PATIENCE, until, tls, movingSlot, report, check: (name, work) => checks.push([name, work]) };
