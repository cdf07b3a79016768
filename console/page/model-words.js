// What is said in words: the twin of log.rs, mark.rs and samples.rs.

/** A progress such as `1/2 up`. */
export function progressInWords({ count, of, towards }) {
  return `${count}/${of} ${towards}`;
}

/** The number of events that a gap stands for. */
export function missing({ from = 0, to = 0 }) {
  return Math.max(to - from, 0) + 1;
}

/** The line of the log that an event gets at time `now`, or `null`. */
export function line(event, now) {
  const { t = 0 } = event;
  switch (event.event) {
    case "state": {
      const { backend, from = "", to = "", cause = "", progress } = event;
      // The first event of each backend only gives its state.
      if (from === to) return null;
      const way = progress ? ` (${progressInWords(progress)})` : "";
      return { t, kind: "state", text: `B${backend} ${from} -> ${to}: ${cause}${way}` };
    }
    case "control":
      return { t, kind: "control", text: `${event.what ?? ""} (by ${event.by ?? ""})` };
    case "fault":
      return { t, kind: "fault", text: faultInWords(event) };
    case "load": {
      const { loop = "", rate = 0, clients = 0 } = event;
      const amount = loop === "closed" ? `${clients} clients` : `${rate} requests/s`;
      return { t, kind: "load", text: `load: ${loop} loop, ${amount}` };
    }
    case "gap": {
      const text = `${missing(event)} events are missing: this reader was too slow`;
      return { t: now, kind: "gap", text };
    }
    default:
      return null;
  }
}

const PROCESS = {
  kill: ["runs again", "is dead"],
  stop: ["is not stopped any more", "is stopped"],
};

function faultInWords({ backend = 0, id, kind = "", active = false, params }) {
  if (id == null && Object.hasOwn(PROCESS, kind)) {
    return `B${backend}: its process ${PROCESS[kind][Number(active)]}`;
  }
  const word = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const isMap = active && params && typeof params === "object" && !Array.isArray(params);
  const names = isMap ? Object.keys(params).sort() : [];
  const words = names.map((name) => `${name} ${word(params[name])}`).join(", ");
  return `B${backend} ${kind} ${active ? "begins" : "ends"}${words && `: ${words}`}`;
}

/** The mark that an event gets in the plots, or `null`. */
export function mark(event) {
  const { t = 0, backend = 0 } = event;
  switch (event.event) {
    case "fault": {
      const text = `B${backend} ${event.kind ?? ""}${event.active ? "" : " ends"}`;
      return { t, kind: "fault", text, backend };
    }
    case "load": {
      const { loop = "", rate = 0, clients = 0 } = event;
      const text = loop === "closed" ? `closed, ${clients} clients` : `${loop}, ${rate}/s`;
      return { t, kind: "load", text, backend: null };
    }
    case "control": {
      const { what = "", change } = event;
      if (change?.kind === "policy") {
        return { t, kind: "policy", text: `policy ${change.policy}`, backend: null };
      }
      return { t, kind: "control", text: what, backend: change?.backend ?? null };
    }
    default:
      return null;
  }
}

/** A sampled request. Its method and target are text of clients. */
function sample(request) {
  const { t = 0, id = 0, n = 0, method = "", path = "", status = 0, backend = null, attempts = 0 } = request;
  const { retries = 0, tried = [], failure = null, queue_us = 0, total_us = 0 } = request;
  const route = tried.map(([number, reason]) => `B${number} (${reason})`);
  if (backend !== null) route.push(`B${backend}${retries ? ` after ${retries} retries` : ""}`);
  return {
    t, id, n, status, failure, queue_us, total_us,
    line: `${method} ${path}`,
    route: route.join(" > ") || "no backend",
    is_retried: attempts > 1 || retries > 0,
    because: "",
  };
}

/** The number of requests, and of reasons that wait for their request, that are kept. */
const KEPT = 50;

/** Adds a value to a list, and drops the oldest ones. */
export function keep(list, value, most) {
  list.push(value);
  if (list.length > most) list.shift();
}

/** The last sampled requests, oldest first. */
export class Samples {
  constructor() {
    this.requests = [];
    this.keys = [];
    this.reasons = [];
  }

  end(request) {
    const told = sample(request);
    const at = this.reasons.findIndex(([id]) => id === told.id);
    if (at >= 0) told.because = this.reasons.splice(at, 1)[0][1];
    if (request.key != null) keep(this.keys, request.key, KEPT);
    keep(this.requests, told, KEPT);
  }

  explain({ id = 0, decisions = [] }) {
    const because = decisions.at(-1)?.because ?? "";
    if (decisions.length === 0) return;
    const request = this.requests.findLast((one) => one.id === id);
    if (request) request.because = because;
    else keep(this.reasons, [id, because], KEPT);
  }

  distinct() {
    return this.keys.length ? { distinct: new Set(this.keys).size, of: this.keys.length } : null;
  }
}
