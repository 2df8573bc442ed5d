// Writes to a cluster through ioredis until standard input ends. See benchlib/writers.py for input and output.
"use strict";

const { Cluster } = require("ioredis");

const lines = [];
let stopping = false;

function now() {
  return Number(process.hrtime.bigint()) / 1e9;
}

function sleep(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

async function write(cluster, plan, worker) {
  const tags = plan.workers[worker];
  for (let number = 1; !stopping; number++) {
    const key = `{${tags[number % tags.length]}}:${worker}:${number}`;
    const began = now();
    try {
      await cluster.set(key, key);
      lines.push(`ok\t${began}\t${now()}\t${key}`);
      if (plan.wait) {
        // WAIT concerns the writes of its own connection, so both commands go over the same one.
        const [[refused, set], [failed, replicas]] = await cluster.pipeline().set(key, key).wait(1, plan.wait).exec();
        if (refused || failed) {
          throw refused || failed;
        }
        if (set === "OK" && replicas >= 1) {
          lines.push(`safe\t${began}\t${now()}\t${key}`);
        }
      }
    } catch (error) {
      const text = `${error.name} ${error.message}`.split(/\s+/).join(" ");
      lines.push(`error\t${began}\t${now()}\t${key}\t${text}`);
    }
    await sleep(plan.pause);
  }
}

async function main(plan) {
  const nodes = plan.nodes.map(([host, port]) => ({ host, port }));
  const timeout = plan.timeout * 1000;
  const cluster = new Cluster(nodes, {
    slotsRefreshTimeout: timeout,
    redisOptions: { commandTimeout: timeout, connectTimeout: timeout },
  });
  cluster.on("error", () => {});
  await Promise.all(plan.workers.map((_, worker) => write(cluster, plan, worker)));
  cluster.disconnect();
  process.stdout.write(lines.join("\n") + "\n");
}

let input = "";
let started = false;
process.stdin.on("data", (data) => {
  input += data;
  if (!started && input.includes("\n")) {
    started = true;
    main(JSON.parse(input.slice(0, input.indexOf("\n"))));
  }
});
process.stdin.on("end", () => {
  stopping = true;
});
