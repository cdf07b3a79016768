// One backend: the twin of lane.rs and timeline.rs.

import { Latencies, WINDOW_US } from "./model-window.js";
import { progressInWords } from "./model-words.js";

/** The states, from the best to the worst. */
const HEALTH = ["up", "suspect", "ejected", "down"];

/** How much attention a backend needs, worse is later. */
const TROUBLE = ["none", "some", "out", "harm"];

/** Below this share of good ends, a backend does harm. */
const HARM = 0.5;

const SECOND = 1_000_000;
const CELLS = 60;

/** The state with this name; a name that is not known counts as the worst. */
export function health(name = "") {
  return HEALTH.includes(name) ? name : "down";
}

/** The last minute of one backend, second by second. */
class Timeline {
  constructor() {
    this.cells = new Map();
    this.newest = -1;
  }

  /** The backend was in this state at this time, and had this number of errors since the last note. */
  note(t, state, errors) {
    const second = Math.floor(t / SECOND);
    const cell = this.cells.get(second);
    if (second > this.newest) {
      this.newest = second;
      this.cells.set(second, { state, errors });
      if (this.cells.size > CELLS) this.cells.delete(this.cells.keys().next().value);
    } else if (cell) {
      if (HEALTH.indexOf(state) > HEALTH.indexOf(cell.state)) cell.state = state;
      cell.errors += errors;
    }
  }

  view(now) {
    const first = Math.floor(now / SECOND) - CELLS + 1;
    return Array.from({ length: CELLS }, (_, n) => {
      const cell = this.cells.get(first + n);
      return cell ? { ...cell } : null;
    });
  }
}

/** What is known of one backend. */
export class LaneState {
  constructor() {
    Object.assign(this, { url: "", mode: "", weight: 0, state: "up", cause: "", warm: null });
    Object.assign(this, { progress: null, in_flight: 0, waiting: 0, server: null, probe: null });
    // By id and kind; those of the process have no id.
    this.faults = new Map();
    // What the backend itself says of its faults; it replaces the list above.
    this.toldFaults = null;
    this.latencies = new Latencies();
    this.timeline = new Timeline();
  }

  tick(t, tick, bad) {
    const { in_flight = 0, waiting = 0, weight = 0, warm = null, latency, server } = tick;
    Object.assign(this, { in_flight, waiting, weight, warm });
    this.latencies.push(t, latency);
    if (server) {
      const { process = "", busy = 0, workers = null, queued = 0, queue = null, faults = [] } = server;
      this.toldFaults = faults;
      this.server = { process, busy, workers, queued, queue };
    }
    this.timeline.note(t, this.state, bad);
  }

  /** A tick that leaves this backend out: it has no requests, and had none since the tick before. */
  rest(t) {
    Object.assign(this, { in_flight: 0, waiting: 0, warm: null });
    this.timeline.note(t, this.state, 0);
  }

  change({ t = 0, from, to, cause = "", progress = null }) {
    // The moment belongs to both states; the first event of a backend has only one.
    this.timeline.note(t, health(from), 0);
    Object.assign(this, { state: health(to), cause, progress });
    this.timeline.note(t, this.state, 0);
  }

  probed({ t = 0, ok = false, what = "", took_us = 0, progress = null }) {
    this.progress = progress;
    this.probe = { t, ok, what, took_us };
  }

  fault({ id = -1, kind = "", active = false }) {
    const key = `${id ?? -1} ${kind}`;
    if (active) this.faults.set(key, [id ?? -1, kind]);
    else this.faults.delete(key);
    // Until the backend says so itself, in the next tick.
    this.toldFaults = null;
  }

  /** The active faults, by id and kind. */
  faultNames() {
    const order = ([id, kind], [other, name]) => id - other || (kind < name ? -1 : 1);
    return [...this.faults.values()].sort(order).map(([, kind]) => kind);
  }

  /**
   * The lane of backend `number` at the time `now`, with a timeline that ends at the time `noted`.
   * `all` has the picks and the good answers of all backends.
   */
  view(number, [now, noted], frames, [allPicks, allGood]) {
    const of = (name) => (frame) => frame.lanes.get(number)?.[name];
    const increase = (name) => frames.increase(of(name))?.[0] ?? 0;
    const rate = (name) => frames.rate(of(name));
    const share = (part, all) => (all > 0 ? part / all : 0);
    const good = increase("good");
    const ended = increase("ended");
    const [p50_us, p99_us] = this.latencies.quantiles(now, WINDOW_US, [0.5, 0.99]);
    const { url, state, cause, mode, weight, warm, in_flight, waiting, server, probe } = this;
    const lane = {
      number, url, state, cause, mode, weight, warm, in_flight, waiting, server, probe, p50_us, p99_us,
      progress: this.progress ? progressInWords(this.progress) : "",
      is_worst: false,
      rate: rate("answers"),
      share: share(increase("picks"), allPicks),
      good_share: share(good, allGood),
      good: ended > 0 ? share(good, ended) : null,
      unanswered: in_flight + waiting,
      errors: rate("errors"),
      failures: rate("failures"),
      retries: rate("retries"),
      hedges: rate("hedges"),
      is_quiet: increase("answers") === 0,
      faults: this.toldFaults ?? this.faultNames(),
      cells: this.timeline.view(noted),
    };
    lane.trouble = trouble(lane);
    return lane;
  }
}

function trouble({ state, good, server, faults }) {
  if (state === "down" || state === "ejected") return "out";
  if (good !== null && good < HARM) return "harm";
  if (state !== "up" || (server && server.process !== "running")) return "out";
  return (good !== null && good < 1) || faults.length ? "some" : "none";
}

/** Marks the lanes that need the most attention. */
export function markWorst(lanes) {
  const worst = Math.max(0, ...lanes.map((lane) => TROUBLE.indexOf(lane.trouble)));
  for (const lane of lanes) lane.is_worst = worst > 0 && lane.trouble === TROUBLE[worst];
}

/** The picks and the good answers of all backends in the window. */
export function sumsOfAll(frames, numbers) {
  const sum = (name) => numbers.reduce(
    (all, number) => all + (frames.increase((frame) => frame.lanes.get(number)?.[name])?.[0] ?? 0), 0);
  return [sum("picks"), sum("good")];
}
