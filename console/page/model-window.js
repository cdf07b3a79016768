// Sums and latencies of the last seconds: the twin of window.rs, frame.rs and latency.rs.

/** The period of rates, shares and latencies, in microseconds. */
export const WINDOW_US = 5e6;

/** The period of percentiles and of the agreement of a ghost, in microseconds. */
export const LONG_US = 30e6;

/** The percentiles of a curve, each with the least number of answers for which it means something. */
const PERCENTILES = [[50, 2], [75, 4], [90, 10], [95, 20], [99, 100], [99.9, 1e3], [99.99, 1e4]];

/** The fields of `from` that `defaults` names: a field that is missing has its default. */
export function pick(from, defaults) {
  return Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, from[name] ?? value]));
}

/** The keys of a map of numbers, in order. */
export function numbers(map) {
  return [...map.keys()].sort((one, two) => one - two);
}

/** Reads a sum of one backend from a frame. */
export function ofLane(number, name) {
  return (frame) => frame.lanes.get(number)?.[name];
}

/** Values with their times, oldest first: those of a period, and the last one before it. */
export class Window {
  values = [];

  constructor(periodUs = WINDOW_US) {
    this.periodUs = periodUs;
  }

  push(t, value) {
    this.values.push([t, value]);
    while (this.values.length > 1 && this.values[1][0] + this.periodUs <= t) this.values.shift();
  }

  /** The newest `[t, value]`; an empty list if there is none. */
  last() {
    return this.values.at(-1) ?? [];
  }

  /** The increase of a sum, and the microseconds that it took. Some values may lack the sum. */
  increase(sum) {
    const [to, newest] = this.last();
    const last = newest && sum(newest);
    if (last == null) return [0, 0];
    const [from, oldest] = this.values.find(([, value]) => sum(value) != null);
    return [Math.max(last - sum(oldest), 0), Math.max(to - from, 0)];
  }

  /** The increase a second; `unknown` before two values are known. */
  rate(sum, unknown = 0) {
    const [increase, us] = this.increase(sum);
    return us > 0 ? increase / (us / 1e6) : unknown;
  }

  /** The rates of several sums, by name. */
  rates(...names) {
    return Object.fromEntries(names.map((name) => [name, this.rate((value) => value[name])]));
  }

  covers() {
    return this.values.length ? this.last()[0] - this.values[0][0] : 0;
  }
}

const SUMS = { picks: 0, answers: 0, errors: 0, failures: 0, retries: 0, hedges: 0 };

function sumsOf(backend) {
  const sums = pick(backend, SUMS);
  const { answers, errors, failures } = sums;
  return { ...sums, bad: errors + failures, good: Math.max(answers - errors, 0), ended: answers + failures };
}

/** The sums of one tick, and of the frame before it for the backends that the tick leaves out. */
export class Frame {
  constructor(tick, before) {
    Object.assign(this, pick(tick, { good: 0, errors: 0, in_flight: 0, connections: 0, one_in: 0 }));
    this.offered = tick.requests ?? 0;
    this.lanes = new Map((tick.backends ?? []).map((backend) => [backend.backend, sumsOf(backend)]));
    // Whether a sum is less than before: the balancer has begun to count again.
    const fell = ([number, { picks }]) => picks < ofLane(number, "picks")(before);
    this.again = before !== undefined && (this.offered < before.offered || [...this.lanes].some(fell));
    if (before && !this.again) this.lanes = new Map([...before.lanes, ...this.lanes]);
    const all = (name) => [...this.lanes.values()].reduce((sum, sums) => sum + sums[name], 0);
    this.tries = all("picks") + all("retries");
    this.retries = Math.max(this.tries - this.offered, 0);
    this.hedges = all("hedges");
  }
}

/** The buckets of the ticks of the last 30 s. */
export class Latencies {
  ticks = [];

  push(t, buckets = []) {
    while (this.ticks.length && this.ticks[0][0] + LONG_US <= t) this.ticks.shift();
    if (buckets.length) this.ticks.push([t, buckets]);
  }

  /** Calls `each` with the buckets of the ticks whose times pass. */
  each(passes, each) {
    for (const [t, buckets] of this.ticks) if (passes(t)) buckets.forEach(each);
  }

  /** The number of latencies in the period that ends now, and a function that gives their quantiles. */
  all(now, periodUs) {
    const all = new Map();
    let count = 0;
    this.each((t) => t + periodUs > now, ([largest, more]) => {
      all.set(largest, (all.get(largest) ?? 0) + more);
      count += more;
    });
    const sorted = [...all].sort(([one], [two]) => one - two);
    // The nearest rank: the smallest value with at least this share of all values up to it.
    const quantile = (q) => {
      const rank = Math.max(Math.ceil(q * count), 1);
      let below = 0;
      return sorted.find(([, more]) => (below += more) >= rank)?.[0] ?? null;
    };
    return [count, quantile];
  }

  /** The median and the 99th percentile of the period that ends now; `null` without answers. */
  pair(now, periodUs) {
    const [, quantile] = this.all(now, periodUs);
    return { p50_us: quantile(0.5), p99_us: quantile(0.99) };
  }

  /** The percentiles of the last 30 s: `[[percentile, us]..]`. */
  curve(now) {
    const [count, quantile] = this.all(now, LONG_US);
    return PERCENTILES.filter(([, least]) => count >= least).map(([percent]) => [percent, quantile(percent / 100)]);
  }

  /** The number of latencies after one time and up to another, and their sum. */
  sum(after, upto) {
    let [count, sum] = [0, 0];
    this.each((t) => t > after && t <= upto, ([largest, more]) => {
      count += more;
      sum += largest * more;
    });
    return [count, sum];
  }
}
