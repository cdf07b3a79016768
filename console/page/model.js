// The model of a lab: the twin of the crate's `Model` in Rust. Events go in, and the data of a screen come
// out. It has no DOM, no clock and no random numbers: all times are those of the events. A test feeds the
// same events to both and compares their views, so a change here needs the same change in src/model.

import { LaneState, health, markWorst } from "./model-lane.js";
import { Ghosts, POINT_US, Points, SPAN_US } from "./model-plots.js";
import { Frame, LONG_US, Latencies, WINDOW_US, Window, numbers, ofLane, pick } from "./model-window.js";
import { Samples, keep, line, mark, missing } from "./model-words.js";

/** The version of the events that this model reads. */
const SCHEMA = 1;

/** The largest numbers of lines in the log, and of marks. */
const LINES = 200;
const MARKS = 100;

/** The part of a view that `hello` gives. */
const HELLO = { version: "", listen: "", policy: "", policies: [], seed: null, settings: [] };

/** What is known of a lab from its events so far. */
export class Model {
  problem = null;

  constructor() {
    this.forget();
  }

  forget() {
    Object.assign(this, {
      // The timelines end with the second of `noted`, the newest time that they know.
      now: 0, noted: 0, epoch: null, hello: HELLO, policySince: 0,
      load: null, secret: null, missed: 0,
      lanes: new Map(), log: [], marks: [], samples: new Samples(),
      frames: new Window(), loadSums: new Window(), points: new Points(), ghosts: new Ghosts(),
      // As clients see them; without a load, those of the backends.
      latencies: new Latencies(), uncorrected: new Latencies(),
    });
  }

  /**
   * Takes in the next event of the stream.
   * @param {object} event the JSON of one event; `event.event` is its name
   */
  apply(event) {
    if (event.event === "hello") this.begin(event);
    if (this.problem !== null) return;
    const t = event.t ?? event.tick?.t ?? 0;
    this.now = Math.max(this.now, t);
    const [text, sign] = [line(event, this.now), mark(event)];
    if (text) keep(this.log, text, LINES);
    if (sign) keep(this.marks, sign, MARKS);
    switch (event.event) {
      case "tick": return this.tick(event);
      case "state":
        this.noted = Math.max(this.noted, t);
        return this.lane(event.backend).change(event);
      case "probe": return this.lane(event.backend).probed(event);
      case "fault": return this.lane(event.backend).fault(event);
      case "control": return this.control(event);
      case "load": this.load = event; return;
      // Only the sample stands for all requests.
      case "req": return event.n ? this.samples.end(event) : undefined;
      case "why": return this.samples.explain(event);
      case "ghost": return this.ghosts.tick(event, this.now);
      case "gap": this.missed += missing(event); return;
      default: // A newer lab may tell more.
    }
  }

  lane(number) {
    if (!this.lanes.has(number)) this.lanes.set(number, new LaneState());
    return this.lanes.get(number);
  }

  begin(event) {
    const { schema, epoch_unix_us: epoch, t = 0, policy, backends = [] } = event;
    this.problem = schema === SCHEMA ? null
      : `the events have format ${schema}, and this console reads format ${SCHEMA}: use programs of one version`;
    // Times of another epoch cannot be compared with the times so far.
    if (this.epoch !== null && this.epoch !== epoch) this.forget();
    this.now = Math.max(this.now, t);
    if (this.epoch !== null && this.hello.policy !== policy) this.policySince = t;
    for (const number of this.lanes.keys()) {
      if (!backends.some(({ backend }) => backend === number)) this.lanes.delete(number);
    }
    for (const { backend, url, weight, mode, state, cause } of backends) {
      this.lane(backend).set({ url, weight, mode, state: health(state), cause });
    }
    Object.assign(this, { epoch, hello: pick(event, HELLO) });
  }

  control({ t, change }) {
    const lane = change?.backend && change.kind !== "revealed" && this.lane(change.backend);
    switch (change?.kind) {
      case "policy":
        if (this.epoch !== null) this.hello.policy = change.policy;
        this.policySince = t;
        return;
      case "mode": return lane.set({ mode: change.mode });
      case "weight": return lane.set({ weight: change.weight });
      case "added": return lane.set({ url: change.url });
      case "removed": return lane.set({ mode: "removed" });
      case "ghost": return this.ghosts.ask(change.policy);
      case "secret": this.secret = { since: change.since, revealed: null }; return;
      case "revealed": {
        const { backend, fault, after_us } = change;
        const since = this.secret?.since ?? Math.max(t - after_us, 0);
        this.secret = { since, revealed: { backend, fault, after_us } };
        return;
      }
      case "reset":
        this.ghosts.ask(null);
        this.secret = null;
        return;
      default: // A newer lab may tell more.
    }
  }

  tick(tick) {
    const { t, load, backends = [] } = tick;
    if (load) this.loadTick(t, load);
    const [lastT, last] = this.frames.last();
    if (t <= lastT) return;
    this.noted = Math.max(this.noted, t);
    const frame = new Frame(tick, last);
    if (frame.again) this.frames = new Window();
    const told = new Set();
    for (const backend of backends) {
      const { backend: number, errors = 0, failures = 0 } = backend;
      const before = frame.again ? null : last?.lanes.get(number);
      const bad = before ? Math.max(errors + failures - before.bad, 0) : 0;
      this.lane(number).tick(t, backend, bad);
      told.add(number);
    }
    for (const [number, lane] of this.lanes) if (!told.has(number)) lane.rest(t);
    if (!this.loadSums.last()[1]) this.latencies.push(t, backends.flatMap(({ latency = [] }) => latency));
    this.frames.push(t, frame);
    // The line of a removed backend ends with its last request.
    const here = [...this.lanes].filter(([, { is }]) => is.mode !== "removed" || is.in_flight);
    const inFlight = new Map(here.map(([number, lane]) => [number, lane.is.in_flight]));
    const ghost = this.ghosts.moment(this.hello.policy, this.now);
    this.points.push(t, frame, load, inFlight, this.latencies.pair(t, POINT_US), ghost);
  }

  loadTick(t, load) {
    const sums = pick(load, { offered: 0, done: 0, good: 0, errors: 0, waiting: 0 });
    const [last, before] = this.loadSums.last();
    if (t <= last) return;
    if (before && (sums.offered < before.offered || sums.done < before.done)) this.loadSums = new Window();
    // Without a load so far, the latencies are those of the backends.
    if (!this.loadSums.last()[1]) this.latencies = new Latencies();
    this.latencies.push(t, load.latency);
    this.uncorrected.push(t, load.uncorrected);
    this.loadSums.push(t, sums);
  }

  /**
   * What a screen shows at the time of the newest event: the same JSON as `View` in Rust. Do not change it:
   * parts of it belong to the model.
   * @returns {object} the view
   */
  view() {
    const { now: t, noted, frames, problem, secret, hello: { policy } } = this;
    const all = numbers(this.lanes);
    const sum = (name) => all.reduce((sum, lane) => sum + frames.increase(ofLane(lane, name))[0], 0);
    const sums = [sum("picks"), sum("good")];
    const lanes = all.map((number) => this.lanes.get(number).view(number, [t, noted], frames, sums));
    markWorst(lanes);
    return {
      ...this.hello,
      t, problem, lanes, secret,
      window_us: WINDOW_US,
      covers_us: frames.covers(),
      totals: this.totals(lanes),
      load: this.load && this.loadFigures(this.load),
      log: [...this.log],
      requests: [...this.samples.requests],
      keys: this.samples.distinct(),
      series: this.points.view(t, all),
      marks: this.marks.filter((one) => one.t + SPAN_US > t),
      percentiles: {
        window_us: LONG_US,
        corrected: this.latencies.curve(t),
        uncorrected: this.uncorrected.curve(t),
        ghost: this.ghosts.curve(policy, t),
      },
      ghost: this.ghosts.view(policy, t, this.policySince, this.latencies),
    };
  }

  totals(lanes) {
    const increase = (name) => this.frames.increase((frame) => frame[name])[0];
    const requests = increase("offered");
    const { errors, retries, hedges, in_flight, connections, one_in } = this.frames.last()[1] ?? new Frame({});
    return {
      ...this.frames.rates("offered", "good", "errors", "retries", "hedges"),
      errors_ever: errors, retries_ever: retries, hedges_ever: hedges, in_flight, connections, one_in,
      amplification: requests > 0 ? increase("tries") / requests : null,
      imbalance: imbalance(lanes),
      missed: this.missed,
    };
  }

  loadFigures({ loop: control, rate, clients }) {
    const { errors: errors_ever = 0, waiting = 0 } = this.loadSums.last()[1] ?? {};
    return {
      control, rate, clients, errors_ever, waiting,
      ...this.loadSums.rates("offered", "good", "errors"),
      ...this.latencies.pair(this.now, WINDOW_US),
    };
  }
}

/** The largest share of picks compared to the average, in relation to the weights; `null` without picks. */
function imbalance(lanes) {
  const shares = lanes
    .filter(({ share, state, mode }) => share > 0 || (state === "up" && mode === "ready"))
    .map(({ share, weight }) => share / Math.max(weight, 1));
  const all = shares.reduce((sum, share) => sum + share, 0);
  return all > 0 ? (Math.max(...shares) * shares.length) / all : null;
}
