"use strict";

// Asks for the figures once a second while the page is seen, and shows them and what has changed since.

const EVERY = 1000;
const KEPT = 90; // points of a line

const lines = { rate: [], hits: [], memory: [], clients: [] };
let last = null;

const element = (id) => document.getElementById(id);
const write = (id, text) => {
  element(id).textContent = text;
};

const whole = (value) => Math.round(value).toLocaleString("en");

function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit && value < 100 ? 1 : 0)} ${units[unit]}`;
}

function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

function took(usec) {
  if (usec < 1000) return `${usec} µs`;
  return usec < 1e6 ? `${(usec / 1000).toFixed(1)} ms` : `${(usec / 1e6).toFixed(2)} s`;
}

const each_call = (usec) => (usec < 1000 ? usec.toFixed(1) : whole(usec));

function draw(name, value, top) {
  const points = lines[name];
  points.push(value);
  if (points.length > KEPT) points.shift();
  const high = Math.max(top || 0, ...points.filter((point) => point !== null), 1e-9);
  const place = (point, index) =>
    `${((index * 120) / (KEPT - 1)).toFixed(2)},${(31 - ((point || 0) / high) * 29).toFixed(2)}`;
  const right = ((points.length - 1) * 120) / (KEPT - 1);
  const edge = points.map(place).join(" L");
  const [area, line] = element(`${name}-line`).children;
  area.setAttribute("d", `M0,33 L${edge} L${right},33 Z`);
  line.setAttribute("d", `M${edge}`);
}

function rows(id, found, nothing) {
  const body = element(id).tBodies[0];
  const columns = element(id).tHead.rows[0].cells.length;
  body.replaceChildren(
    ...(found.length ? found : [[nothing]]).map((cells) => {
      const row = document.createElement("tr");
      for (const text of cells) {
        const cell = row.insertCell();
        cell.textContent = text;
        if (!found.length) {
          cell.className = "nothing";
          cell.colSpan = columns;
        }
      }
      return row;
    }),
  );
}

// A colour for each of some masters: neighbours in the bar differ as much as possible.
const colour = (index) => `hsl(${Math.round((12 + index * 137.508) % 360)} 52% 55%)`;

const some = (ranges) => ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
const many = (ranges) => ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);

function row_of(cells, name) {
  const row = document.createElement("tr");
  row.className = name;
  for (const [text, bad] of cells) {
    const cell = row.insertCell();
    cell.textContent = text;
    if (bad) cell.className = "bad";
  }
  return row;
}

function show_cluster(cluster) {
  element("cluster").hidden = !cluster;
  if (!cluster) return;
  const down = cluster.ok ? "" : "down";
  element("cluster").className = down;
  write("cluster-state", cluster.ok ? "ok" : "down");
  const assigned = cluster.nodes.reduce((sum, node) => sum + many(node.slots), 0);
  const title = (node) => node.name || node.address || node.id.slice(0, 8);
  const named = new Map(cluster.nodes.map((node) => [node.id, title(node)]));
  const owners = cluster.nodes.filter((node) => node.slots.length);
  const count = (number, word) => `${whole(number)} ${word}${number === 1 ? "" : "s"}`;
  write(
    "cluster-of",
    `${count(cluster.nodes.length, "node")} · ${count(owners.length, "master")} with slots · ` +
      `${whole(assigned)} of 16,384 slots · epoch ${whole(cluster.current_epoch)}`,
  );
  const colours = new Map(owners.map((node, index) => [node.id, colour(index)]));

  element("slots").replaceChildren(
    ...owners.flatMap((node) =>
      node.slots.map(([first, last]) => {
        const part = document.createElementNS(element("slots").namespaceURI, "rect");
        part.setAttribute("x", first);
        part.setAttribute("width", last - first + 1);
        part.setAttribute("height", 1);
        part.setAttribute("fill", colours.get(node.id));
        if (node.health !== "ok") part.setAttribute("class", "bad");
        return part;
      }),
    ),
  );
  element("nodes").tBodies[0].replaceChildren(
    ...cluster.nodes.map((node) => {
      const both = node.link_to && node.link_from;
      const links = both ? "up" : node.link_to ? "only to it" : node.link_from ? "only from it" : "down";
      const row = row_of(
        [
          [title(node)],
          [node.master ? `replica of ${named.get(node.master) ?? node.master.slice(0, 8)}` : node.role || "unknown"],
          [node.slots.length ? `${whole(many(node.slots))} (${some(node.slots.slice(0, 4))}${node.slots.length > 4 ? ", …" : ""})` : "–"],
          [whole(node.config_epoch)],
          [node.is_myself ? "this node" : links, !node.is_myself && !both],
          [node.health, node.health !== "ok"],
        ],
        node.is_myself ? "myself" : "",
      );
      const mark = document.createElement("span");
      const owner = colours.get(node.id) ?? colours.get(node.master);
      mark.className = owner ? "mark" : "mark none";
      if (owner) mark.style.background = owner;
      row.cells[0].prepend(mark);
      row.cells[0].title = node.id;
      return row;
    }),
  );
  element("migrations").hidden = !cluster.migrations.length;
  element("migrations").tBodies[0].replaceChildren(
    ...cluster.migrations.map((one) =>
      row_of([[some(one.slots)], [named.get(one.source) ?? one.source], [named.get(one.target) ?? one.target]], ""),
    ),
  );
}

function show(now) {
  const seconds = last ? (now.time - last.time) / 1000 : 0;
  // A figure that is smaller than before was reset: then nothing is known of the time between.
  const grown = (pick) => (last && pick(now) >= pick(last) ? pick(now) - pick(last) : 0);
  const each = (pick) => (seconds > 0 ? grown(pick) / seconds : 0);

  document.title = `${now.name} · ${now.port}`;
  write("where", `Redis ${now.version} · port ${now.port} · process ${now.pid}`);
  write("role", now.replication.role);
  write("uptime", span(now.uptime));

  const rate = seconds > 0 ? each((of) => of.throughput.commands) : now.throughput.rate;
  write("rate", whole(rate));
  draw("rate", rate);
  write("in", bytes(each((of) => of.throughput.bytes_in)));
  write("out", bytes(each((of) => of.throughput.bytes_out)));
  write("errors", whole(now.throughput.errors));
  write("processed", whole(now.throughput.commands));

  let hits = grown((of) => of.lookups.hits);
  let all = hits + grown((of) => of.lookups.misses);
  const recent = all > 0;
  if (!recent) {
    hits = now.lookups.hits;
    all = hits + now.lookups.misses;
  }
  write("hits", all ? `${((100 * hits) / all).toFixed(1)} %` : "–");
  write("hits-of", all ? (recent ? "last second" : "since the start") : "no lookups yet");
  draw("hits", recent ? hits / all : null, 1);
  write("hits-total", whole(now.lookups.hits));
  write("misses-total", whole(now.lookups.misses));

  write("memory", bytes(now.memory.used));
  write("memory-of", now.memory.limit ? `of ${bytes(now.memory.limit)}` : "in use, no limit");
  draw("memory", now.memory.used, now.memory.limit);
  write("resident", bytes(now.memory.resident));
  write("packed", `${whole(now.memory.packed)} values packed into ${bytes(now.memory.packed_bytes)}`);
  write("peak", bytes(now.memory.peak));
  write("expired", whole(now.memory.expired));
  write("evicted", whole(now.memory.evicted));
  write("policy", now.memory.limit ? ` · ${now.memory.policy}` : "");

  write("clients", whole(now.clients.connected));
  write("clients-of", `of at most ${whole(now.clients.limit)}`);
  draw("clients", now.clients.connected);
  write("blocked", whole(now.clients.blocked));
  write("subscribed", whole(now.clients.subscribed));
  write("rejected", whole(now.clients.rejected));

  rows(
    "databases",
    now.databases.map((db) => [db.name, whole(db.keys), whole(db.expires)]),
    "no keys",
  );
  const before = new Map(last ? last.commands.map((command) => [command.name, command.calls]) : []);
  rows(
    "commands",
    now.commands.map((command) => {
      const calls = command.calls - (before.get(command.name) ?? command.calls);
      return [
        command.name.replace("|", " "),
        whole(seconds > 0 ? Math.max(0, calls) / seconds : 0),
        whole(command.calls),
        each_call(command.usec / command.calls),
      ];
    }),
    "none yet",
  );
  rows(
    "slow",
    now.slow.map((call) => [
      call.command.replace("|", " "),
      took(call.usec),
      `${span(Math.max(0, now.time / 1000 - call.time))} ago`,
    ]),
    "nothing was slow",
  );

  const replication = now.replication;
  write("replication-role", replication.link ? `${replication.role}, link ${replication.link}` : replication.role);
  write("replicas", whole(replication.replicas));
  write("offset", whole(replication.offset));
  write("changes", whole(now.persistence.changes));
  const saved = now.persistence.saved ? `${span(Math.max(0, now.time / 1000 - now.persistence.saved))} ago` : "never";
  write("saved", now.persistence.saving ? "saving now" : saved);
  write("aof", now.persistence.aof ? "on" : "off");
  show_cluster(now.cluster);
  last = now;
}

function state(text, name) {
  write("state", text);
  element("state").className = name;
}

async function ask() {
  if (!document.hidden) {
    try {
      const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      show(await answer.json());
      state("live", "live");
    } catch (error) {
      state(`no answer (${error.message})`, "lost");
    }
  }
  setTimeout(ask, EVERY);
}

ask();
