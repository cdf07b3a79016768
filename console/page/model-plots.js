// The last minute for plots, and ghosts: the twin of series.rs and ghost.rs.

import { Frame, LONG_US, Latencies, WINDOW_US, Window } from "./model-window.js";

/** The period of the points and the marks, in microseconds. */
export const SPAN_US = 60_000_000;

/** The period of the rates and latencies of one point, in microseconds. */
export const POINT_US = 1_000_000;

const STEP_US = 250_000;
const POINTS = 240;

/** After this time without a tick, a ghost is not shown any more. */
const GONE_US = 3_000_000;

/** The least number of answers from which an agreement is calculated. */
const LEAST = 20;

/** The points of the last minute. */
export class Points {
  constructor() {
    this.sums = new Window(POINT_US);
    this.points = [];
  }

  /** The sums begin again. */
  beginAgain() {
    this.sums.clear();
  }

  /** Adds the point of a frame. `inFlight` has the requests of each lane, and `ghost` those of the ghost. */
  push(t, frame, load, { inFlight, latency, ghost }) {
    const of = ({ offered = 0, good = 0, errors = 0 }) => ({ offered, good, errors });
    const { requests: offered, good, errors, tries } = frame;
    const step = { balancer: { offered, good, errors }, load: load ? of(load) : null, tries };
    // A load that has begun again counts for nothing before its second tick.
    if (step.load && step.load.offered < (this.sums.last()?.[1].load?.offered ?? 0)) this.sums.clear();
    this.sums.push(t, step);
    const rate = (name) => this.sums.knownRate((one) => one.load?.[name])
      ?? this.sums.knownRate((one) => one.balancer[name]);
    const [ghost_p50_us, ghost_p99_us] = ghost?.latency ?? [null, null];
    const point = {
      t,
      offered: rate("offered"),
      good: rate("good"),
      errors: rate("errors"),
      tries: this.sums.knownRate((one) => one.tries),
      p50_us: latency[0],
      p99_us: latency[1],
      ghost_p50_us,
      ghost_p99_us,
    };
    this.points.push({ point, inFlight, ghost: ghost?.inFlight });
    if (this.points.length > POINTS) this.points.shift();
  }

  view(now, lanes) {
    const ofEach = (all) => lanes.map((lane) => all.get(lane) ?? null);
    const points = this.points.filter(({ point }) => point.t + SPAN_US > now).map(
      ({ point, inFlight, ghost }) => (
        { ...point, in_flight: ofEach(inFlight), ghost_in_flight: ghost ? ofEach(ghost) : [] }));
    return { step_us: STEP_US, span_us: SPAN_US, window_us: POINT_US, points };
  }
}

/** One ghost. */
class Ghost {
  constructor(first = 0) {
    Object.assign(this, { first, last: 0, frames: new Window(), lanes: new Map() });
    this.latencies = new Latencies();
  }

  tick(tick) {
    const { t = 0, backends = [], load } = tick;
    const before = this.frames.last();
    if (before && t <= before[0]) return;
    const frame = new Frame(tick, before?.[1]);
    if (!before || frame.again) Object.assign(this, new Ghost(t));
    this.last = t;
    for (const lane of this.lanes.values()) Object.assign(lane, { in_flight: 0, queued: 0 });
    for (const { backend, in_flight = 0, waiting = 0, server, latency } of backends) {
      const lane = this.lanes.get(backend) ?? { latencies: new Latencies() };
      this.lanes.set(backend, lane);
      Object.assign(lane, { in_flight, queued: server ? server.queued ?? 0 : waiting });
      lane.latencies.push(t, latency);
    }
    if (load) this.latencies.push(t, load.latency);
    this.frames.push(t, frame);
  }

  laneViews(now) {
    const of = (number, name) => (frame) => frame.lanes.get(number)?.[name];
    const picks = (number) => this.frames.increase(of(number, "picks"))?.[0] ?? 0;
    const numbers = [...this.lanes.keys()].sort((one, two) => one - two);
    const all = numbers.reduce((sum, number) => sum + picks(number), 0);
    return numbers.map((number) => {
      const { in_flight, queued, latencies } = this.lanes.get(number);
      const [p50_us, p99_us] = latencies.quantiles(now, WINDOW_US, [0.5, 0.99]);
      const share = all > 0 ? picks(number) / all : 0;
      return { number, in_flight, queued, share, rate: this.frames.rate(of(number, "answers")), p50_us, p99_us };
    });
  }

  /** How well this ghost agrees with the real lab, and the period for which both are known. */
  agreement(since, real) {
    const after = Math.max(this.first, this.last - LONG_US, since);
    const [own, lab] = [this.latencies, real].map((latencies) => {
      const [count, sum] = latencies.sum(after, this.last);
      return count >= LEAST && sum > 0 ? sum / count : null;
    });
    const isKnown = own !== null && lab !== null;
    return {
      agreement: isKnown ? Math.max(100 - (Math.abs(own - lab) / lab) * 100, 0) : null,
      covers_us: Math.max(this.last - after, 0),
    };
  }
}

/** All ghosts: that of the policy that was asked for, and that of the policy in force. */
export class Ghosts {
  constructor() {
    this.all = new Map();
    this.asked = null;
  }

  /** Another ghost was asked for, or none. */
  ask(policy = null) {
    this.asked = policy;
    if (policy === null) this.all.clear();
  }

  tick({ policy = "", tick = {} }, now) {
    for (const [name, ghost] of this.all) {
      if (ghost.last + GONE_US <= now) this.all.delete(name);
    }
    if (!this.all.has(policy)) this.all.set(policy, new Ghost());
    this.all.get(policy).tick(tick);
  }

  /** The name of the ghost that is shown, if one is. */
  shown(inForce, now) {
    const isShown = (name) => (this.asked === null ? name !== inForce : name === this.asked)
      && this.all.get(name).last + GONE_US > now;
    return [...this.all.keys()].sort().find(isShown);
  }

  /** The requests in flight of the ghost that is shown, and its latencies, for a point. */
  moment(inForce, now) {
    const ghost = this.all.get(this.shown(inForce, now));
    if (!ghost) return null;
    const inFlight = new Map([...ghost.lanes].map(([number, lane]) => [number, lane.in_flight]));
    return { inFlight, latency: ghost.latencies.quantiles(ghost.last, POINT_US, [0.5, 0.99]) };
  }

  curve(inForce, now) {
    return this.all.get(this.shown(inForce, now))?.latencies.curve(now) ?? [];
  }

  /** The ghost that is shown. The policy in force is so since the time `since`. */
  view(inForce, now, since, real) {
    const policy = this.shown(inForce, now);
    const ghost = this.all.get(policy);
    if (!ghost) return null;
    const [p50_us, p99_us] = ghost.latencies.quantiles(now, WINDOW_US, [0.5, 0.99]);
    const rate = (name) => ghost.frames.rate((frame) => frame[name]);
    const in_flight = ghost.frames.last()?.[1].in_flight ?? 0;
    const totals = { good: rate("good"), errors: rate("errors"), in_flight, p50_us, p99_us };
    const own = this.all.get(inForce)?.agreement(since, real) ?? { agreement: null, covers_us: 0 };
    return { policy, lanes: ghost.laneViews(now), totals, ...own };
  }
}
