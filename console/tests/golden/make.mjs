// node make.mjs RECORDING > run.jsonl: makes the golden recording of a run of 27 s.
//
// The run: `cargo xtask demo --record RECORDING --seconds 27`, and during it, by the admin port and the control
// ports: kill and start backend 2, a fault `status` at backend 4, another policy, another weight, drain and
// ready of backend 1, stop and continue backend 3, a fault `latency` at backend 1, and by keys: more load, closed
// loop. This program leaves out half of the ticks and most requests, so that the file stays small. It adds what
// the run has not: two ghosts, a secret fault, a gap. It replaces the epoch.

import { readFileSync } from "node:fs";

const GHOSTS = [["random", 9e6, 1.6], ["least-connections", 9e6, 1.05]];
const LAST = 24e6;

/** One in so many of these events stays. */
const ONE_IN = { tick: 2, req: 20, probe: 2 };

const all = readFileSync(process.argv[2], "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const counts = {};
const requests = new Set();
const events = all.filter((event) => {
  if (event.event === "why") return requests.has(event.id);
  const count = (counts[event.event] = (counts[event.event] ?? 0) + 1);
  const stays = count % (ONE_IN[event.event] ?? 1) === 0;
  if (event.event === "req" && stays) requests.add(event.id);
  return stays;
});
for (const event of events) if (event.event === "hello") event.epoch_unix_us = 1_790_000_000_000_000;

/** Each second, a ghost has what the lab has, and its latencies are `slower`. */
function ghostTicks(policy, from, slower) {
  const ticks = [];
  for (const tick of events) {
    if (tick.event !== "tick" || tick.t < Math.max(from, (ticks.at(-1)?.tick.t ?? 0) + 1e6) || tick.t > LAST) continue;
    const scale = (buckets = []) => buckets.map(([us, count]) => [Math.round(us * slower), count]);
    const backends = tick.backends.map(({ backend, picks, answers, in_flight, weight, latency, server }) => (
      { backend, picks, answers, in_flight: in_flight + 1, weight, peak_us: 0, latency: scale(latency),
        server: { process: "running", busy: 1, queued: server.queued } }));
    const { t, requests, ended, good, errors, in_flight, load } = tick;
    ticks.push({ event: "ghost", policy, tick: { t: t - 1000, requests, ended, good, errors, in_flight, backends,
      load: { offered: load.offered, done: load.done, latency: scale(load.latency) } } });
  }
  return ticks;
}

const control = (t, what, change) => ({ event: "control", t, what, by: "console", change });
const added = [
  ...GHOSTS.flatMap(([policy, from, slower]) => ghostTicks(policy, from, slower)),
  control(8.9e6, "ghost random", { kind: "ghost", policy: "random" }),
  control(20.7e6, "a secret fault", { kind: "secret", since: 20.6e6 }),
  control(22.7e6, "the secret fault: latency at backend 1", { kind: "revealed", backend: 1, fault: "latency", after_us: 2.1e6 }),
  control(25e6, "ghost off", { kind: "ghost", policy: null }),
];
const time = (event) => event.t ?? event.tick?.t;
for (const event of added) {
  const at = events.findIndex((other) => time(other) > time(event));
  events.splice(at < 0 ? events.length : at, 0, event);
}
events.splice(events.length / 2, 0, { event: "gap", from: 700, to: 711 });
console.log(events.map((event) => JSON.stringify(event)).join("\n"));
