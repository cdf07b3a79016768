// Sums and latencies of the last seconds: the twin of window.rs, frame.rs and latency.rs.

/** The period of rates, shares and latencies, in microseconds. */
export const WINDOW_US = 5_000_000;

/** The period of percentiles and of the agreement of a ghost, in microseconds. */
export const LONG_US = 30_000_000;

/** The percentiles of a curve, each with the least number of answers for which it means something. */
const PERCENTILES = [[50, 2], [75, 4], [90, 10], [95, 20], [99, 100], [99.9, 1000], [99.99, 10_000]];

/** Values with their times, oldest first: those of a period, and the last one before it. */
export class Window {
  constructor(periodUs = WINDOW_US) {
    this.periodUs = periodUs;
    this.values = [];
  }

  push(t, value) {
    this.values.push([t, value]);
    while (this.values.length > 1 && this.values[1][0] + this.periodUs <= t) this.values.shift();
  }

  clear() {
    this.values = [];
  }

  /** The newest `[t, value]`, if there is one. */
  last() {
    return this.values.at(-1);
  }

  /** The increase of a sum and the microseconds that it took, or `null`. Some values may lack the sum. */
  increase(sum) {
    const newest = this.last();
    const last = newest && sum(newest[1]);
    if (last == null) return null;
    const first = this.values.find(([, value]) => sum(value) != null);
    return [Math.max(last - sum(first[1]), 0), Math.max(newest[0] - first[0], 0)];
  }

  /** The increase a second; `null` before two values are known. */
  knownRate(sum) {
    const [increase, us] = this.increase(sum) ?? [0, 0];
    return us > 0 ? increase / (us / 1e6) : null;
  }

  rate(sum) {
    return this.knownRate(sum) ?? 0;
  }

  covers() {
    return this.values.length ? this.last()[0] - this.values[0][0] : 0;
  }
}

/** The sums of one backend in a tick. */
function sumsOf({ picks = 0, answers = 0, errors = 0, failures = 0, retries = 0, hedges = 0 }) {
  return {
    picks, answers, errors, failures, retries, hedges,
    bad: errors + failures,
    good: Math.max(answers - errors, 0),
    ended: answers + failures,
  };
}

/** The sums of one tick, and of the frame before it for the backends that the tick leaves out. */
export class Frame {
  constructor(tick, before) {
    const { requests = 0, good = 0, errors = 0, in_flight = 0, connections = 0, one_in = 0 } = tick;
    Object.assign(this, { requests, good, errors, in_flight, connections, one_in });
    this.lanes = new Map((tick.backends ?? []).map((backend) => [backend.backend, sumsOf(backend)]));
    this.again = before !== undefined && this.beginsAgain(before);
    if (before && !this.again) {
      for (const [number, sums] of before.lanes) {
        if (!this.lanes.has(number)) this.lanes.set(number, sums);
      }
    }
    this.tries = this.all("picks") + this.all("retries");
    this.hedges = this.all("hedges");
  }

  all(name) {
    let all = 0;
    for (const sums of this.lanes.values()) all += sums[name];
    return all;
  }

  /** Whether a sum is less than before: the balancer has begun to count again. */
  beginsAgain(before) {
    const fell = ([number, sums]) => sums.picks < (before.lanes.get(number)?.picks ?? 0);
    return this.requests < before.requests || [...this.lanes].some(fell);
  }
}

/** The buckets of the ticks of the last 30 s. */
export class Latencies {
  constructor() {
    this.ticks = [];
  }

  push(t, buckets = []) {
    while (this.ticks.length && this.ticks[0][0] + LONG_US <= t) this.ticks.shift();
    if (buckets.length) this.ticks.push([t, buckets]);
  }

  /** All buckets of the period that ends now, in order, and the number of latencies in them. */
  all(now, periodUs) {
    const all = new Map();
    let count = 0;
    for (const [t, buckets] of this.ticks) {
      if (t + periodUs <= now) continue;
      for (const [largest, more] of buckets) {
        all.set(largest, (all.get(largest) ?? 0) + more);
        count += more;
      }
    }
    return [[...all].sort(([one], [two]) => one - two), count];
  }

  /** The quantiles (0 to 1) of the period that ends now, in microseconds; `null` without answers. */
  quantiles(now, periodUs, qs) {
    const [all, count] = this.all(now, periodUs);
    return qs.map((q) => quantile(all, count, q));
  }

  /** The percentiles of the last 30 s: `[[percentile, us]..]`. */
  curve(now) {
    const [all, count] = this.all(now, LONG_US);
    return PERCENTILES.filter(([, least]) => count >= least)
      .map(([percentile]) => [percentile, quantile(all, count, percentile / 100)]);
  }

  /** The number of latencies after one time and up to another, and their sum. */
  sum(after, upto) {
    let [count, sum] = [0, 0];
    for (const [t, buckets] of this.ticks) {
      if (t <= after || t > upto) continue;
      for (const [largest, more] of buckets) [count, sum] = [count + more, sum + largest * more];
    }
    return [count, sum];
  }
}

/** The nearest rank: the smallest value with at least this share of all values up to it. */
function quantile(all, count, q) {
  const rank = Math.min(Math.max(Math.ceil(q * count), 1), Math.max(count, 1));
  let below = 0;
  return all.find(([, more]) => (below += more) >= rank)?.[0] ?? null;
}
