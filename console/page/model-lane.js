// One backend: the twin of lane.rs and timeline.rs.

import { Latencies, WINDOW_US, ofLane, pick } from "./model-window.js";
import { progressInWords } from "./model-words.js";

/** The states, from the best to the worst. */
const HEALTH = ["up", "suspect", "ejected", "down"];

/** How much attention a backend needs, worse is later. */
const TROUBLE = ["none", "some", "out", "harm"];

/** Below this share of good ends, a backend does harm. */
const HARM = 0.5;

/** The number of seconds in a timeline. */
const CELLS = 60;

const SERVER = { process: "", busy: 0, workers: null, queued: 0, queue: null };

/** The state with this name; a name that is not known counts as the worst. */
export function health(name) {
  return HEALTH.includes(name) ? name : "down";
}

/** What is known of one backend. */
export class LaneState {
  /** The part of the view that events give. */
  is = {
    url: "", mode: "", weight: 0, state: "up", cause: "", progress: "", warm: null,
    in_flight: 0, waiting: 0, server: null, probe: null,
  };
  /** By id and kind; those of the process have no id. */
  faults = new Map();
  /** What the backend itself says of its faults; it replaces the list above. */
  toldFaults = null;
  latencies = new Latencies();
  /** The last minute, by second. */
  cells = new Map();
  newest = -1;

  set(fields) {
    Object.assign(this.is, fields);
  }

  /** The backend was in this state at this time, and had this number of errors since the last note. */
  note(t, state, errors) {
    const second = Math.floor(t / 1e6);
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

  tick(t, tick, bad) {
    this.set(pick(tick, { in_flight: 0, waiting: 0, weight: 0, warm: null }));
    this.latencies.push(t, tick.latency);
    if (tick.server) {
      this.toldFaults = tick.server.faults ?? [];
      this.set({ server: pick(tick.server, SERVER) });
    }
    this.note(t, this.is.state, bad);
  }

  /** A tick that leaves this backend out: it has no requests, and had none since the tick before. */
  rest(t) {
    this.set({ in_flight: 0, waiting: 0, warm: null });
    this.note(t, this.is.state, 0);
  }

  change({ t, from, to, cause = "", progress }) {
    // The moment belongs to both states; the first event of a backend has only one.
    this.note(t, health(from), 0);
    this.set({ state: health(to), cause, progress: progressInWords(progress) });
    this.note(t, this.is.state, 0);
  }

  probed(probe) {
    this.set({
      progress: progressInWords(probe.progress),
      probe: pick(probe, { t: 0, ok: false, what: "", took_us: 0 }),
    });
  }

  fault({ id, kind, active }) {
    const key = [id ?? -1, kind];
    if (active) this.faults.set(String(key), key);
    else this.faults.delete(String(key));
    // Until the backend says so itself, in the next tick.
    this.toldFaults = null;
  }

  faultKinds() {
    const order = ([id, kind], [other, name]) => id - other || (kind < name ? -1 : 1);
    return [...this.faults.values()].sort(order).map(([, kind]) => kind);
  }

  /**
   * The lane of backend `number` at the time `now`, with a timeline that ends at the time `noted`.
   * `picks` and `goods` are those of all backends.
   */
  view(number, [now, noted], frames, [picks, goods]) {
    const increase = (name) => frames.increase(ofLane(number, name))[0];
    const rate = (name) => frames.rate(ofLane(number, name));
    const share = (part, all) => (all > 0 ? part / all : 0);
    const [good, ended] = [increase("good"), increase("ended")];
    const first = Math.floor(noted / 1e6) - CELLS + 1;
    const cell = (_, n) => this.cells.get(first + n);
    const lane = {
      number,
      ...this.is,
      ...this.latencies.pair(now, WINDOW_US),
      is_worst: false,
      rate: rate("answers"),
      share: share(increase("picks"), picks),
      good_share: share(good, goods),
      good: ended > 0 ? good / ended : null,
      unanswered: this.is.in_flight + this.is.waiting,
      errors: rate("errors"),
      failures: rate("failures"),
      retries: rate("retries"),
      hedges: rate("hedges"),
      is_quiet: increase("answers") === 0,
      faults: this.toldFaults ?? this.faultKinds(),
      cells: Array.from({ length: CELLS }, cell).map((one) => (one ? { ...one } : null)),
    };
    return { ...lane, trouble: trouble(lane) };
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
