// Named checks of a client library, which run one after the other.
//
// `report` prints a JSON object on one line: the version of the library and, for each check, "ok" or the stack.
"use strict";
const fs = require("fs");
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

module.exports = { given, PATIENCE, until, tls, report, check: (name, work) => checks.push([name, work]) };
