// What is said in words: the twin of log.rs, mark.rs and samples.rs.

import { pick } from "./model-window.js";

/** A progress such as `1/2 up`; an empty text without one. */
export function progressInWords(progress) {
  return progress ? `${progress.count}/${progress.of} ${progress.towards}` : "";
}

/** The number of events that a gap stands for. */
export function missing({ from = 0, to = 0 }) {
  return Math.max(to - from, 0) + 1;
}

const PROCESS = {
  __proto__: null,
  kill: ["runs again", "is dead"],
  stop: ["is not stopped any more", "is stopped"],
};

/** The texts of the log, by the name of the event. */
const TEXTS = {
  __proto__: null,
  state({ backend, from, to, cause = "", progress }) {
    // The first event of each backend only gives its state.
    if (from === to) return null;
    return `B${backend} ${from} -> ${to}: ${cause}${progress ? ` (${progressInWords(progress)})` : ""}`;
  },
  control: ({ what, by }) => `${what} (by ${by})`,
  fault({ backend, id, kind, active, params }) {
    if (id == null && PROCESS[kind]) return `B${backend}: its process ${PROCESS[kind][Number(active)]}`;
    const word = (value) => (typeof value === "object" ? JSON.stringify(value) : value);
    const names = active && params?.constructor === Object ? Object.keys(params).sort() : [];
    const words = names.map((name) => `${name} ${word(params[name])}`).join(", ");
    return `B${backend} ${kind} ${active ? "begins" : "ends"}${words && `: ${words}`}`;
  },
  load({ loop, rate, clients }) {
    return `load: ${loop} loop, ${loop === "closed" ? `${clients} clients` : `${rate} requests/s`}`;
  },
  gap: (gap) => `${missing(gap)} events are missing: this reader was too slow`,
};

/** The line of the log that an event gets at time `now`, or `null`. */
export function line(event, now) {
  const text = TEXTS[event.event]?.(event) ?? null;
  return text === null ? null : { t: event.t ?? now, kind: event.event, text };
}

/** The mark that an event gets in the plots, or `null`. */
export function mark({ event: kind, t, backend, active, kind: fault, loop, rate, clients, what, change }) {
  switch (kind) {
    case "fault": return { t, kind, text: `B${backend} ${fault}${active ? "" : " ends"}`, backend };
    case "load": {
      const text = loop === "closed" ? `closed, ${clients} clients` : `${loop}, ${rate}/s`;
      return { t, kind, text, backend: null };
    }
    case "control":
      if (change?.kind !== "policy") return { t, kind, text: what, backend: change?.backend ?? null };
      return { t, kind: "policy", text: `policy ${change.policy}`, backend: null };
    default: return null;
  }
}

/** A sampled request. Its method and target are text of clients. */
function sample(request) {
  const { method, path, backend, attempts, retries = 0, tried = [] } = request;
  const route = tried.map(([number, reason]) => `B${number} (${reason})`);
  if (backend != null) route.push(`B${backend}${retries ? ` after ${retries} retries` : ""}`);
  return {
    ...pick(request, { t: 0, id: 0, n: 0, status: 0, failure: null, queue_us: 0, total_us: 0 }),
    line: `${method} ${path}`,
    route: route.join(" > ") || "no backend",
    is_retried: attempts > 1 || retries > 0,
    because: "",
  };
}

/** The number of requests, and of reasons that wait for their request, that are kept. */
const KEPT = 50;

/** Adds a value to a list, and drops the oldest one of too many. */
export function keep(list, value, most) {
  list.push(value);
  if (list.length > most) list.shift();
}

/** The last sampled requests, oldest first. */
export class Samples {
  requests = [];
  keys = [];
  reasons = [];

  end(request) {
    const told = sample(request);
    const at = this.reasons.findIndex(([id]) => id === told.id);
    if (at >= 0) told.because = this.reasons.splice(at, 1)[0][1];
    if (request.key != null) keep(this.keys, request.key, KEPT);
    keep(this.requests, told, KEPT);
  }

  explain({ id, decisions = [] }) {
    if (decisions.length === 0) return;
    const { because } = decisions.at(-1);
    const request = this.requests.findLast((one) => one.id === id);
    if (request) request.because = because;
    else keep(this.reasons, [id, because], KEPT);
  }

  /** How many different keys the last requests have. */
  distinct() {
    return this.keys.length ? { distinct: new Set(this.keys).size, of: this.keys.length } : null;
  }
}
