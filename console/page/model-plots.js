// The last minute for plots, and ghosts: the twin of series.rs and ghost.rs.

import { Frame, LONG_US, Latencies, WINDOW_US, Window, numbers, ofLane, pick } from "./model-window.js";

/** The period of the points and the marks, in microseconds. */
export const SPAN_US = 60e6;

/** The period of the rates and latencies of one point, in microseconds. */
export const POINT_US = 1e6;

const STEP_US = 250e3;
const POINTS = 240;

/** After this time without a tick, a ghost is not shown any more. */
const GONE_US = 3e6;

/** The least number of answers from which an agreement is calculated. */
const LEAST = 20;

/** The points of the last minute. */
export class Points {
  sums = new Window(POINT_US);
  points = [];

  /** Adds the point of a frame. `inFlight` has the requests of each lane, and `ghost` is that of `moment`. */
  push(t, frame, load, inFlight, latency, ghost) {
    const step = { frame, load: load && pick(load, { offered: 0, good: 0, errors: 0 }) };
    const before = this.sums.last()[1];
    // A load that has begun again counts for nothing before its second tick.
    if (frame.again || step.load?.offered < before?.load?.offered) this.sums = new Window(POINT_US);
    this.sums.push(t, step);
    const ofBalancer = (name) => this.sums.rate((one) => one.frame[name], null);
    const rate = (name) => this.sums.rate((one) => one.load?.[name], null) ?? ofBalancer(name);
    const point = {
      t,
      ...latency,
      offered: rate("offered"),
      good: rate("good"),
      errors: rate("errors"),
      tries: ofBalancer("tries"),
      ghost_p50_us: ghost?.p50_us ?? null,
      ghost_p99_us: ghost?.p99_us ?? null,
    };
    this.points.push({ point, inFlight, ghost: ghost?.inFlight, lanes: null });
    if (this.points.length > POINTS) this.points.shift();
  }

  view(now, lanes) {
    const key = String(lanes);
    const ofEach = (all) => lanes.map((lane) => all.get(lane) ?? null);
    const points = this.points.filter(({ point }) => point.t + SPAN_US > now).map((kept) => {
      const { point, inFlight, ghost } = kept;
      // A point is built once, and again if the lanes are other ones.
      if (kept.lanes !== key) {
        kept.lanes = key;
        kept.point = { ...point, in_flight: ofEach(inFlight), ghost_in_flight: ghost ? ofEach(ghost) : [] };
      }
      return kept.point;
    });
    return { step_us: STEP_US, span_us: SPAN_US, window_us: POINT_US, points };
  }
}

/** One ghost. */
class Ghost {
  last = 0;
  frames = new Window();
  lanes = new Map();
  latencies = new Latencies();

  constructor(first) {
    this.first = first;
  }

  tick(tick) {
    const { t, backends = [], load } = tick;
    const [lastT, before] = this.frames.last();
    if (t <= lastT) return;
    const frame = new Frame(tick, before);
    if (!before || frame.again) Object.assign(this, new Ghost(t));
    this.last = t;
    for (const lane of this.lanes.values()) Object.assign(lane.is, { in_flight: 0, queued: 0 });
    for (const { backend, in_flight, waiting = 0, server, latency } of backends) {
      if (!this.lanes.has(backend)) this.lanes.set(backend, { latencies: new Latencies() });
      const lane = this.lanes.get(backend);
      lane.is = { in_flight, queued: server?.queued ?? waiting };
      lane.latencies.push(t, latency);
    }
    if (load) this.latencies.push(t, load.latency);
    this.frames.push(t, frame);
  }

  view(now) {
    const picks = (number) => this.frames.increase(ofLane(number, "picks"))[0];
    const all = [...this.lanes.keys()].reduce((sum, number) => sum + picks(number), 0);
    const lane = (number) => ({
      number,
      ...this.lanes.get(number).is,
      ...this.lanes.get(number).latencies.pair(now, WINDOW_US),
      share: all > 0 ? picks(number) / all : 0,
      rate: this.frames.rate(ofLane(number, "answers")),
    });
    const totals = {
      ...this.frames.rates("good", "errors"),
      ...this.latencies.pair(now, WINDOW_US),
      in_flight: this.frames.last()[1]?.in_flight ?? 0,
    };
    return { lanes: numbers(this.lanes).map(lane), totals };
  }

  /** How well this ghost agrees with the real lab, and the period for which both are known. */
  agreement(since, real) {
    const after = Math.max(this.first, this.last - LONG_US, since);
    const mean = ([count, sum]) => (count >= LEAST && sum > 0 ? sum / count : null);
    const [own, lab] = [this.latencies, real].map((latencies) => mean(latencies.sum(after, this.last)));
    const isKnown = own !== null && lab !== null;
    return {
      agreement: isKnown ? Math.max(100 - (Math.abs(own - lab) / lab) * 100, 0) : null,
      covers_us: Math.max(this.last - after, 0),
    };
  }
}

/** All ghosts, by policy: that of the policy that was asked for, and that of the policy in force. */
export class Ghosts {
  all = new Map();
  asked = null;

  /** Another ghost was asked for, or none. */
  ask(policy = null) {
    this.asked = policy;
    if (policy === null) this.all.clear();
  }

  tick({ policy, tick }, now) {
    for (const [name, { last }] of this.all) if (last + GONE_US <= now) this.all.delete(name);
    if (!this.all.has(policy)) this.all.set(policy, new Ghost(0));
    this.all.get(policy).tick(tick);
  }

  /** The policy of the ghost that is shown, and the ghost. */
  shown(inForce, now) {
    const isRight = (name) => (this.asked === null ? name !== inForce : name === this.asked);
    const isShown = ([name, { last }]) => isRight(name) && last + GONE_US > now;
    return [...this.all].sort(([one], [two]) => (one < two ? -1 : 1)).find(isShown) ?? [];
  }

  /** The requests in flight of the ghost that is shown, and its latencies, for a point. */
  moment(inForce, now) {
    const [, ghost] = this.shown(inForce, now);
    if (!ghost) return null;
    const inFlight = new Map([...ghost.lanes].map(([number, lane]) => [number, lane.is.in_flight]));
    return { inFlight, ...ghost.latencies.pair(ghost.last, POINT_US) };
  }

  curve(inForce, now) {
    return this.shown(inForce, now)[1]?.latencies.curve(now) ?? [];
  }

  /** The ghost that is shown. The policy in force is so since the time `since`. */
  view(inForce, now, since, real) {
    const [policy, ghost] = this.shown(inForce, now);
    const own = this.all.get(inForce)?.agreement(since, real) ?? { agreement: null, covers_us: 0 };
    return ghost ? { policy, ...ghost.view(now), ...own } : null;
  }
}
