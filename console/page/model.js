// The model of a lab: the twin of the crate's `Model` in Rust. Events go in, and the data of a screen come
// out. It has no DOM, no clock and no random numbers: all times are those of the events. A test feeds one
// recording to both and compares their views, so a change here needs the same change in src/model.

import { LaneState, health, markWorst, sumsOfAll } from "./model-lane.js";
import { Ghosts, POINT_US, Points, SPAN_US } from "./model-plots.js";
import { Frame, LONG_US, Latencies, WINDOW_US, Window } from "./model-window.js";
import { Samples, keep, line, mark, missing } from "./model-words.js";

/** The version of the events that this model reads. */
const SCHEMA = 1;

/** The largest numbers of lines in the log, and of marks. */
const LINES = 200;
const MARKS = 100;

/** What is known of a lab from its events so far. */
export class Model {
  constructor() {
    this.forget();
    this.problem = null;
  }

  forget() {
    // `noted` is the newest time that the timelines know: they end with its second.
    Object.assign(this, { now: 0, noted: 0, hello: null, load: null, secret: null, missed: 0 });
    Object.assign(this, { lanes: new Map(), log: [], marks: [], samples: new Samples() });
    Object.assign(this, { frames: new Window(), loadSums: new Window(), points: new Points() });
    // Latencies as clients see them; without a load, those of the backends.
    Object.assign(this, { latencies: new Latencies(), uncorrected: new Latencies() });
    Object.assign(this, { ghosts: new Ghosts(), policySince: 0 });
  }

  /**
   * Takes in the next event of the stream.
   * @param {object} event the JSON of one event; `event.event` is its name
   */
  apply(event) {
    if (event.event === "hello") this.begin(event);
    if (this.problem !== null) return;
    const t = event.event === "ghost" ? event.tick?.t : event.t;
    this.now = Math.max(this.now, t ?? 0);
    const text = line(event, this.now);
    if (text) keep(this.log, text, LINES);
    const sign = mark(event);
    if (sign) keep(this.marks, sign, MARKS);
    switch (event.event) {
      case "tick": this.tick(event); break;
      case "state":
        this.noted = Math.max(this.noted, t ?? 0);
        this.lane(event.backend).change(event);
        break;
      case "probe": this.lane(event.backend).probed(event); break;
      case "fault": this.lane(event.backend).fault(event); break;
      case "control": this.control(event); break;
      case "load": this.load = event; break;
      case "req": this.samples.end(event); break;
      case "why": this.samples.explain(event); break;
      case "ghost": this.ghosts.tick(event, this.now); break;
      case "gap": this.missed += missing(event); break;
      default: // A newer lab may tell more.
    }
  }

  lane(number = 0) {
    if (!this.lanes.has(number)) this.lanes.set(number, new LaneState());
    return this.lanes.get(number);
  }

  /** The numbers of the lanes, in order. */
  numbers() {
    return [...this.lanes.keys()].sort((one, two) => one - two);
  }

  begin(event) {
    const hello = {
      schema: 0, epoch_unix_us: 0, t: 0, version: "", listen: "", policy: "", policies: [], backends: [],
      ...event,
    };
    this.problem = hello.schema === SCHEMA ? null
      : `the events have format ${hello.schema}, and this console reads format ${SCHEMA}: use programs of one version`;
    // Times of another epoch cannot be compared with the times so far.
    if (this.hello && this.hello.epoch_unix_us !== hello.epoch_unix_us) this.forget();
    this.now = Math.max(this.now, hello.t);
    if (this.hello && this.hello.policy !== hello.policy) this.policySince = hello.t;
    for (const number of this.lanes.keys()) {
      if (!hello.backends.some(({ backend = 0 }) => backend === number)) this.lanes.delete(number);
    }
    for (const { backend, url = "", weight = 0, mode = "", state, cause = "" } of hello.backends) {
      Object.assign(this.lane(backend), { url, weight, mode, state: health(state), cause });
    }
    this.hello = hello;
  }

  control({ t = 0, change }) {
    switch (change?.kind) {
      case "policy":
        if (this.hello) this.hello.policy = change.policy;
        this.policySince = t;
        break;
      case "mode": this.lane(change.backend).mode = change.mode; break;
      case "weight": this.lane(change.backend).weight = change.weight; break;
      case "added": this.lane(change.backend).url = change.url; break;
      case "removed": this.lane(change.backend).mode = "removed"; break;
      case "ghost": this.ghosts.ask(change.policy ?? null); break;
      case "secret": this.secret = { since: change.since, revealed: null }; break;
      case "revealed": {
        const { backend, fault, after_us } = change;
        const since = this.secret?.since ?? Math.max(t - after_us, 0);
        this.secret = { since, revealed: { backend, fault, after_us } };
        break;
      }
      case "reset":
        this.ghosts.ask(null);
        this.secret = null;
        break;
      default:
    }
  }

  tick(tick) {
    const { t = 0, load, backends = [] } = tick;
    if (load) this.loadTick(t, load);
    const last = this.frames.last();
    if (last && t <= last[0]) return;
    this.noted = Math.max(this.noted, t);
    const frame = new Frame(tick, last?.[1]);
    if (frame.again) {
      this.frames.clear();
      this.points.beginAgain();
    }
    const before = frame.again ? undefined : last?.[1].lanes;
    const told = new Set();
    for (const backend of backends) {
      const { backend: number = 0, errors = 0, failures = 0 } = backend;
      const bad = before?.get(number)?.bad ?? errors + failures;
      this.lane(number).tick(t, backend, Math.max(errors + failures - bad, 0));
      told.add(number);
    }
    for (const [number, lane] of this.lanes) {
      if (!told.has(number)) lane.rest(t);
    }
    if (!this.loadSums.last()) this.latencies.push(t, backends.flatMap(({ latency = [] }) => latency));
    this.frames.push(t, frame);
    const inFlight = new Map([...this.lanes].map(([number, lane]) => [number, lane.in_flight]));
    const latency = this.latencies.quantiles(t, POINT_US, [0.5, 0.99]);
    const ghost = this.ghosts.moment(this.policy(), this.now);
    this.points.push(t, frame, load, { inFlight, latency, ghost });
  }

  loadTick(t, load) {
    const { offered = 0, done = 0, good = 0, errors = 0, waiting = 0, latency, uncorrected } = load;
    const [lastT, before] = this.loadSums.last() ?? [];
    if (before && t <= lastT) return;
    if (before && (offered < before.offered || done < before.done)) this.loadSums.clear();
    // Without a load so far, the latencies are those of the backends.
    if (!this.loadSums.last()) this.latencies = new Latencies();
    this.latencies.push(t, latency);
    this.uncorrected.push(t, uncorrected);
    this.loadSums.push(t, { offered, done, good, errors, waiting });
  }

  /** The name of the policy in force; empty before it is known. */
  policy() {
    return this.hello?.policy ?? "";
  }

  /**
   * What a screen shows at the time of the newest event: the same JSON as `View` in Rust. Do not change it:
   * parts of it belong to the model.
   * @returns {object} the view
   */
  view() {
    const { version = "", listen = "", policy = "", policies = [], seed = null } = this.hello ?? {};
    const { now: t, noted, frames, problem, secret } = this;
    const numbers = this.numbers();
    const all = sumsOfAll(frames, numbers);
    const lanes = numbers.map((number) => this.lanes.get(number).view(number, [t, noted], frames, all));
    markWorst(lanes);
    return {
      t, problem, version, listen, policy, policies, seed, lanes, secret,
      window_us: WINDOW_US,
      covers_us: frames.covers(),
      totals: this.totals(lanes),
      load: this.loadFigures(),
      log: [...this.log],
      requests: [...this.samples.requests],
      keys: this.samples.distinct(),
      series: this.points.view(t, numbers),
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
    const rate = (sum) => this.frames.rate(sum);
    const increase = (name) => this.frames.increase((frame) => frame[name])?.[0] ?? 0;
    const retries = ({ tries, requests }) => Math.max(tries - requests, 0);
    const requests = increase("requests");
    const newest = this.frames.last()?.[1] ?? new Frame({});
    const { errors: errors_ever, hedges: hedges_ever, in_flight, connections, one_in } = newest;
    return {
      errors_ever, hedges_ever, in_flight, connections, one_in,
      offered: rate((frame) => frame.requests),
      good: rate((frame) => frame.good),
      errors: rate((frame) => frame.errors),
      retries: rate(retries),
      retries_ever: retries(newest),
      hedges: rate((frame) => frame.hedges),
      amplification: requests > 0 ? increase("tries") / requests : null,
      imbalance: imbalance(lanes),
      missed: this.missed,
    };
  }

  loadFigures() {
    if (!this.load) return null;
    const { loop: control = "", rate = 0, clients = 0 } = this.load;
    const of = (name) => this.loadSums.rate((tick) => tick[name]);
    const { errors: errors_ever = 0, waiting = 0 } = this.loadSums.last()?.[1] ?? {};
    const [p50_us, p99_us] = this.latencies.quantiles(this.now, WINDOW_US, [0.5, 0.99]);
    const [offered, good, errors] = ["offered", "good", "errors"].map(of);
    return { control, rate, clients, offered, good, errors, errors_ever, waiting, p50_us, p99_us };
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
