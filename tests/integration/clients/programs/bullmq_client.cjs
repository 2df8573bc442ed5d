// BullMQ: queues, workers, schedulers, flows and events. Nearly everything that it does is a Lua script.
"use strict";
const assert = require("assert");
const Redis = require("ioredis");
const { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } = require("bullmq");
const { given, PATIENCE, until, report, check } = require("./checks.cjs");

const options = {
  host: "127.0.0.1",
  port: given.port,
  connectTimeout: PATIENCE,
  maxRetriesPerRequest: null,
  retryStrategy: () => 5,
};
let number = 0;

// Calls `work` with the parts of a queue that no other check has used. Each part is closed afterwards.
async function withQueue(work, more = {}) {
  const name = `queue${number++}`;
  const shared = { connection: options, ...more };
  const open = [];
  const keep = (part) => {
    part.on("error", () => {});
    open.push(part);
    return part;
  };
  const queue = keep(new Queue(name, shared));
  try {
    await work({
      name,
      queue,
      events: async () => {
        const events = keep(new QueueEvents(name, shared));
        await events.waitUntilReady();
        return events;
      },
      worker: (perform, settings = {}) => keep(new Worker(name, perform, { ...shared, ...settings })),
      flow: () => keep(new FlowProducer(shared)),
    });
  } finally {
    for (const part of open.reverse()) await part.close(true);
  }
}

check("jobs", () =>
  withQueue(async ({ queue, events, worker }) => {
    const heard = await events();
    worker(async (job) => {
      await job.log("begins");
      await job.updateProgress(50);
      return job.data.n * 2;
    });
    const progress = [];
    heard.on("progress", ({ data }) => progress.push(data));
    const job = await queue.add("double", { n: 21 }, { jobId: "mine" });
    assert.equal(await job.waitUntilFinished(heard, PATIENCE), 42);
    await queue.add("double", { n: 5 }, { jobId: "mine" }); // it exists already
    await until(() => progress.length === 1);
    assert.deepEqual(progress, [50]);
    assert.deepEqual(await queue.getJobLogs("mine"), { logs: ["begins"], count: 1 });
    const kept = await queue.getJob("mine");
    assert.deepEqual([await kept.getState(), kept.returnvalue, kept.data], ["completed", 42, { n: 21 }]);
    assert.equal(await queue.remove("mine"), 1);
    assert.equal(await queue.getJob("mine"), undefined);
  }),
);

check("priorities", () =>
  withQueue(async ({ queue, worker }) => {
    const order = [];
    await queue.addBulk([3, 1, 2].map((priority) => ({ name: `p${priority}`, data: {}, opts: { priority } })));
    await queue.add("plain", {});
    await queue.add("last in", {}, { lifo: true });
    const changed = await queue.add("changed", {}, { priority: 10 });
    await changed.changePriority({ priority: 2 });
    assert.deepEqual(await queue.getJobCounts("waiting", "prioritized", "delayed"), {
      waiting: 2, prioritized: 4, delayed: 0,
    });
    assert.deepEqual(await queue.getCountsPerPriority([0, 1, 2, 3]), { 0: 2, 1: 1, 2: 2, 3: 1 });
    worker(async (job) => order.push(job.name));
    await until(async () => (await queue.getCompletedCount()) === 6);
    assert.deepEqual(order, ["last in", "plain", "p1", "p2", "changed", "p3"]);
  }),
);

check("delays", () =>
  withQueue(async ({ queue, events, worker }) => {
    const heard = await events();
    worker(async () => Date.now());
    const begin = Date.now();
    const job = await queue.add("later", {}, { delay: 150 });
    assert.equal(await job.getState(), "delayed");
    const promoted = await queue.add("now", {}, { delay: 1e9 });
    await promoted.promote();
    await promoted.waitUntilFinished(heard, PATIENCE);
    assert((await job.waitUntilFinished(heard, PATIENCE)) - begin >= 150);
    const moved = await queue.add("sooner", {}, { delay: 1e9 });
    await moved.changeDelay(1);
    await moved.waitUntilFinished(heard, PATIENCE);
  }),
);

check("failures", () =>
  withQueue(async ({ queue, events, worker }) => {
    const heard = await events();
    let tries = 0;
    worker(async (job) => {
      if (job.name === "stubborn" && ++tries < 3) throw new Error("not yet");
      if (job.name === "fail") throw new Error("on purpose");
      if (job.name === "hopeless") throw new UnrecoverableError("never again");
      return tries;
    });
    const stubborn = await queue.add("stubborn", {}, { attempts: 3, backoff: { type: "exponential", delay: 10 } });
    assert.equal(await stubborn.waitUntilFinished(heard, PATIENCE), 3);
    const failing = await queue.add("fail", {});
    await assert.rejects(failing.waitUntilFinished(heard, PATIENCE), /on purpose/);
    const hopeless = await queue.add("hopeless", {}, { attempts: 5 });
    await assert.rejects(hopeless.waitUntilFinished(heard, PATIENCE), /never again/);
    assert.deepEqual([await failing.getState(), await queue.getFailedCount()], ["failed", 2]);
    await failing.retry();
    await until(async () => (await queue.getJob(failing.id)).attemptsMade === 2);
    await until(async () => (await queue.getFailedCount()) === 2);
    await queue.clean(0, 100, "failed");
    assert.equal(await queue.getFailedCount(), 0);
  }),
);

check("schedulers", () =>
  withQueue(async ({ queue, worker }) => {
    const done = [];
    worker(async (job) => done.push(job.name));
    await queue.upsertJobScheduler("often", { every: 50, limit: 3 }, { name: "often", data: {} });
    await queue.upsertJobScheduler("nightly", { pattern: "0 0 3 * * *" }, { name: "nightly" });
    await until(() => done.filter((name) => name === "often").length === 3);
    assert(await queue.getJobScheduler("nightly"));
    assert.equal((await queue.getJobSchedulers()).filter(({ key }) => key === "nightly").length, 1);
    assert.equal(await queue.removeJobScheduler("nightly"), true);
    assert.equal(await queue.getJobScheduler("nightly"), undefined);
  }),
);

check("flows", () =>
  withQueue(async ({ name, queue, events, worker, flow }) => {
    const heard = await events();
    worker(async (job) => {
      if (job.name === "bad") throw new Error("on purpose");
      if (job.name === "child") return job.data.n * 2;
      return Object.values(await job.getChildrenValues()).sort();
    });
    const producer = flow();
    const child = (n) => ({ name: "child", queueName: name, data: { n } });
    const tree = await producer.add({ name: "parent", queueName: name, children: [1, 2, 3].map(child) });
    assert.deepEqual(await tree.job.waitUntilFinished(heard, PATIENCE), [2, 4, 6]);
    const bad = { name: "bad", queueName: name, opts: { failParentOnFailure: true } };
    const doomed = await producer.add({ name: "parent", queueName: name, children: [child(1), bad] });
    await assert.rejects(doomed.job.waitUntilFinished(heard, PATIENCE), /child/);
    const ignored = { name: "bad", queueName: name, opts: { ignoreDependencyOnFailure: true } };
    const lucky = await producer.add({ name: "parent", queueName: name, children: [child(1), ignored] });
    assert.deepEqual(await lucky.job.waitUntilFinished(heard, PATIENCE), [2]);
    const { children } = await producer.getFlow({ id: tree.job.id, queueName: name });
    assert.equal(children.length, 3);
    assert.equal(await queue.getJobCountByTypes("waiting-children"), 0);
  }),
);

check("rate_limits", () =>
  withQueue(async ({ queue, worker }) => {
    await queue.addBulk(Array.from({ length: 6 }, () => ({ name: "limited", data: {} })));
    const times = [];
    worker(async () => times.push(Date.now()), { limiter: { max: 2, duration: 100 } });
    await until(() => times.length === 6);
    assert(times[5] - times[0] >= 150, String(times));
    await queue.rateLimit(60000);
    assert((await queue.getRateLimitTtl()) > 0);
    await queue.removeRateLimitKey();
    await queue.setGlobalRateLimit(1, 1000);
    assert.deepEqual(await queue.getGlobalRateLimit(), { max: 1, duration: 1000 });
    await queue.removeGlobalRateLimit();
  }),
);

check("concurrency", () =>
  withQueue(async ({ queue, worker }) => {
    await queue.addBulk(Array.from({ length: 300 }, (_, n) => ({ name: "bulk", data: { n } })));
    let [sum, active, most] = [0, 0, 0];
    worker(
      async (job) => {
        most = Math.max(most, ++active);
        await new Promise((resolve) => setTimeout(resolve, 1));
        active--;
        sum += job.data.n;
      },
      { concurrency: 20 },
    );
    await until(async () => (await queue.getCompletedCount()) === 300);
    assert.equal(sum, 44850);
    assert(most > 1 && most <= 20);
    await queue.setGlobalConcurrency(1);
    assert.equal(await queue.getGlobalConcurrency(), 1);
  }),
);

check("deduplication", () =>
  withQueue(async ({ queue }) => {
    const first = await queue.add("once", { n: 1 }, { deduplication: { id: "one" } });
    const second = await queue.add("once", { n: 2 }, { deduplication: { id: "one" } });
    assert.equal(second.id, first.id);
    assert.equal(await queue.getDeduplicationJobId("one"), first.id);
    assert.equal(await queue.removeDeduplicationKey("one"), 1);
    const third = await queue.add("once", { n: 3 }, { deduplication: { id: "one", ttl: 60000 } });
    assert.notEqual(third.id, first.id);
  }),
);

check("stalling", () =>
  withQueue(async ({ queue, events, worker }) => {
    // A worker takes a job and vanishes. Another one gets the job when its lock has expired.
    const heard = await events();
    const stalled = [];
    heard.on("stalled", ({ jobId }) => stalled.push(jobId));
    const silent = worker(null, { autorun: false, lockDuration: 100 });
    const job = await queue.add("lost", {});
    assert.equal((await silent.getNextJob("token")).id, job.id);
    assert.equal(await job.getState(), "active");
    worker(async () => "found", { stalledInterval: 50 });
    assert.equal(await job.waitUntilFinished(heard, PATIENCE), "found");
    await until(() => stalled.length === 1);
    assert.deepEqual(stalled, [job.id]);
  }),
);

check("pausing", () =>
  withQueue(async ({ queue, events, worker }) => {
    const heard = await events();
    await queue.pause();
    const job = await queue.add("held", {});
    const done = [];
    worker(async () => done.push(1));
    assert.deepEqual([await queue.isPaused(), await queue.getWaitingCount(), done.length], [true, 1, 0]);
    await queue.resume();
    await job.waitUntilFinished(heard, PATIENCE);
    await queue.add("more", {}, { delay: 1e9 });
    await queue.drain(true);
    assert.equal(await queue.count(), 0);
    await queue.trimEvents(0);
    await queue.obliterate({ force: true });
    assert.equal(await queue.getCompletedCount(), 0);
  }),
);

check("reconnection", () =>
  withQueue(async ({ queue, events, worker }) => {
    const heard = await events();
    const busy = worker(async (job) => job.data.n);
    await busy.waitUntilReady();
    assert.equal(await (await queue.add("before", { n: 1 })).waitUntilFinished(heard, PATIENCE), 1);
    const other = new Redis(options);
    await other.client("KILL", "TYPE", "normal", "SKIPME", "yes");
    other.disconnect();
    await until(async () => {
      try {
        return (await (await queue.add("after", { n: 2 })).waitUntilFinished(heard, 2000)) === 2;
      } catch {
        return false;
      }
    });
  }),
);

check("cluster", async () => {
  const connection = new Redis.Cluster([{ host: "127.0.0.1", port: given.cluster[0] }], {
    redisOptions: { maxRetriesPerRequest: null },
    slotsRefreshTimeout: PATIENCE,
  });
  connection.on("error", () => {});
  try {
    await withQueue(
      async ({ queue, events, worker }) => {
        const heard = await events();
        worker(async (job) => job.data.n * 2);
        const job = await queue.add("double", { n: 4 }, { delay: 20 });
        assert.equal(await job.waitUntilFinished(heard, PATIENCE), 8);
      },
      { connection, prefix: "{bull}" },
    );
  } finally {
    connection.disconnect();
  }
});

new Redis(options).flushall().then(() => report("bullmq"));
