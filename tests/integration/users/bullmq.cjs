// bullmq at its work: prints as JSON what came out. The argument is the port.

const { FlowProducer, Queue, QueueEvents, Worker } = require("bullmq");

const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const PATIENCE = 60000;

async function until(test) {
  const deadline = Date.now() + PATIENCE;
  while (!(await test())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${test}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function main() {
  const queue = new Queue("work", { connection });
  const events = new QueueEvents("work", { connection });
  await events.waitUntilReady();
  const order = [];
  let tries = 0;
  const heard = { completed: 0, failed: 0, progress: 0 };
  for (const name of Object.keys(heard)) events.on(name, () => heard[name]++);

  async function perform(job) {
    order.push(job.name);
    if (job.name === "stubborn" && ++tries < 3) throw new Error("not yet");
    if (job.name === "fail") throw new Error("on purpose");
    if (job.name === "progress") await job.updateProgress(50);
    if (job.name === "parent") return Object.values(await job.getChildrenValues()).sort();
    return job.data.n === undefined ? null : job.data.n * 2;
  }

  // Before there is a worker: jobs wait in the order of their priorities.
  await queue.addBulk([3, 1, 2].map((n) => ({ name: `p${n}`, data: { n }, opts: { priority: n } })));
  await queue.add("plain", { n: 21 });
  await queue.add("plain", { n: 21 }, { jobId: "mine" });
  await queue.add("plain", { n: 22 }, { jobId: "mine" });
  const before = await queue.getJobCounts("waiting", "prioritized", "delayed");
  const worker = new Worker("work", perform, { connection });
  await until(async () => (await queue.getCompletedCount()) === 5);
  const prioritized = order.slice();

  const done = await queue.add("plain", { n: 4 });
  const result = await done.waitUntilFinished(events, PATIENCE);
  const began = Date.now();
  const delayed = await queue.add("later", { n: 5 }, { delay: 300 });
  const later = [await delayed.waitUntilFinished(events, PATIENCE), Date.now() - began >= 300];
  const stubborn = await queue.add("stubborn", {}, { attempts: 3, backoff: { type: "fixed", delay: 50 } });
  await stubborn.waitUntilFinished(events, PATIENCE);
  const progress = await queue.add("progress", { n: 1 });
  await progress.waitUntilFinished(events, PATIENCE);
  const failing = await queue.add("fail", {});
  const failure = await failing.waitUntilFinished(events, PATIENCE).catch((error) => error.message);

  const flow = new FlowProducer({ connection });
  const children = [1, 2, 3].map((n) => ({ name: "child", queueName: "work", data: { n } }));
  const tree = await flow.add({ name: "parent", queueName: "work", data: {}, children });
  const parent = await tree.job.waitUntilFinished(events, PATIENCE);

  // Every 100 ms, three times.
  await queue.upsertJobScheduler("often", { every: 100, limit: 3 }, { name: "often", data: { n: 1 } });
  await until(() => order.filter((name) => name === "often").length === 3);
  const schedulers = await queue.getJobSchedulersCount();

  // Two jobs in 200 ms at most.
  await queue.pause();
  await queue.addBulk(Array.from({ length: 6 }, () => ({ name: "limited", data: {} })));
  const paused = [await queue.isPaused(), order.includes("limited")];
  await worker.close();
  const limited = new Worker("work", perform, { connection, limiter: { max: 2, duration: 200 } });
  const start = Date.now();
  await queue.resume();
  await until(() => order.filter((name) => name === "limited").length === 6);
  const slowly = Date.now() - start >= 350;

  await until(async () => (await queue.getActiveCount()) === 0);
  const state = await failing.getState();
  await failing.retry();
  await until(async () => order.filter((name) => name === "fail").length === 2);
  await until(async () => (await queue.getActiveCount()) === 0);
  const failed = await queue.getFailedCount();
  const cleaned = (await queue.clean(0, 1000, "completed")).length > 10;
  const completed = await queue.getCompletedCount();
  await until(() => heard.failed >= 1 && heard.progress >= 1 && heard.completed >= 10);

  const bulk = Array.from({ length: 500 }, (_, n) => ({ name: "bulk", data: { n } }));
  const many = new Queue("many", { connection });
  await many.addBulk(bulk);
  let sum = 0;
  const crowd = new Worker("many", async (job) => (sum += job.data.n), { connection, concurrency: 20 });
  await until(async () => (await many.getCompletedCount()) === 500);
  await many.drain();
  await limited.close();
  await crowd.close();
  await many.obliterate({ force: true });
  const obliterated = await many.getCompletedCount();
  for (const each of [events, queue, many, flow]) await each.close();
  console.log(
    JSON.stringify({
      before, prioritized, result, later, tries, failure, parent, schedulers, paused, slowly, state, failed, cleaned,
      completed, sum, obliterated,
    }),
  );
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
