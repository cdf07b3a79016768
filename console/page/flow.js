// The drawing of the requests: sampled requests move, and the requests at a backend stand in its lane.

const LEG = 260_000; // Microseconds from one place to the next.
const SHADES = 12;
const MOVING = 300;

/** A request ages from 100 ms to 2 s: 0 is young, 1 is old. */
export const age = (us) => Math.max(0, Math.min(1, Math.log(us / 1e5) / Math.log(20)));

/** The colours of the drawing, from the style sheet. */
export function style() {
  const read = getComputedStyle(document.documentElement);
  const color = (name) => read.getPropertyValue(`--${name}`).trim();
  const names = ["blue", "orange", "red", "text", "muted", "line", "panel", "young", "mid", "old"];
  const found = Object.fromEntries(names.map((name) => [name, color(name)]));
  const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const stops = [found.young, found.mid, found.old].map(parts);
  found.shades = Array.from({ length: SHADES }, (_, at) => {
    const place = (2 * at) / (SHADES - 1);
    const [from, to] = place < 1 ? stops : stops.slice(1);
    return `rgb(${from.map((value, part) => Math.round(value + (to[part] - value) * (place % 1 || +(place === 2))))})`;
  });
  found.lanes = ["a", "b", "c", "d", "e", "f", "g", "h"].map((name) => color(`lane-${name}`));
  found.scheme = found.text;
  found.rem = parseFloat(read.fontSize);
  return found;
}

export class Flow {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.moving = [];
    this.lanes = new Map();
    this.frames = 0;
    this.drawn = 0;
  }

  lane(number) {
    if (!this.lanes.has(number)) this.lanes.set(number, { births: [], picks: null });
    return this.lanes.get(number);
  }

  /** Takes in an event: requests move, and ticks say who came and who left. */
  event(event, t) {
    if (event.event === "hello") {
      this.lanes.clear();
      this.moving = [];
    } else if (event.event === "req" && event.n > 0 && this.moving.length < MOVING) {
      const failed = (event.tried ?? []).map(([backend]) => backend);
      const last = event.backend && event.backend !== failed.at(-1) ? [event.backend] : [];
      this.moving.push({ born: t, stops: [...failed, ...last], failed: failed.length, status: event.status, age: age(event.total_us) });
    } else if (event.event === "tick") {
      for (const backend of event.backends) this.tick(backend, t);
      this.ticked = t;
    }
  }

  /** The oldest leave first: the stream does not say which of them left. */
  tick(backend, t) {
    const lane = this.lane(backend.backend);
    const came = lane.picks == null ? backend.in_flight : Math.max(0, backend.picks - lane.picks);
    lane.picks = backend.picks;
    const since = this.ticked ?? t;
    for (let at = Math.max(0, came - backend.in_flight); at < came; at++) {
      lane.births.push(since + ((t - since) * (at + 1)) / came);
    }
    while (lane.births.length < backend.in_flight) lane.births.unshift(since);
    lane.births.splice(0, lane.births.length - backend.in_flight);
  }

  /** Measures where the parts of the page stand; `view` says what is in the lanes. */
  place(view, rows) {
    const box = this.canvas.getBoundingClientRect();
    const scale = Math.min(devicePixelRatio, 2);
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.scale = scale;
    const inside = (node) => {
      const one = node.getBoundingClientRect();
      return { x: one.left - box.left, y: one.top - box.top, w: one.width, h: one.height };
    };
    this.source = inside(document.getElementById("source"));
    this.balancer = inside(document.getElementById("lb"));
    this.clip = inside(document.getElementById("lanes"));
    for (const lane of view.lanes) {
      const row = rows.get(lane.number);
      const mine = this.lane(lane.number);
      mine.box = row && inside(row.node.querySelector(".track"));
      mine.view = lane;
      mine.ghost = view.ghost?.lanes.find((one) => one.number === lane.number);
      mine.births.splice(0, mine.births.length - lane.in_flight);
    }
    for (const number of [...this.lanes.keys()]) {
      if (!view.lanes.some((lane) => lane.number === number)) this.lanes.delete(number);
    }
  }

  /** Draws the moment `now`, in microseconds of the stream. */
  draw(now, style) {
    if (!this.source) return;
    const { pen } = this;
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.frames += 1;
    this.drawn = 0;
    pen.save();
    pen.beginPath();
    pen.rect(0, this.clip.y, this.clip.x + this.clip.w, this.clip.h);
    pen.clip();
    this.lines(style);
    for (const lane of this.lanes.values()) if (lane.box && lane.view) this.stand(lane, now, style);
    this.moving = this.moving.filter((dot) => this.move(dot, now, style));
    pen.restore();
  }

  /** The ways: the width of a line is the share of its lane. */
  lines(style) {
    const { pen, source, balancer } = this;
    const middle = (box) => box.y + box.h / 2;
    const line = (x1, y1, x2, y2, width, color, dash) => {
      pen.strokeStyle = color;
      pen.lineWidth = width;
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(x1, y1);
      pen.lineTo(x2, y2);
      pen.stroke();
    };
    line(source.x + source.w, middle(source), balancer.x, middle(balancer), 4, style.line, []);
    for (const { box, view } of this.lanes.values()) {
      if (!box || !view) continue;
      const gets = view.state === "up" && view.mode === "ready";
      line(balancer.x + balancer.w, middle(balancer), box.x, middle(box), 1 + view.share * 9, style.line, gets ? [] : [3, 6]);
    }
    pen.setLineDash([]);
  }

  dot(x, y, radius, color) {
    const { pen } = this;
    pen.fillStyle = color;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    pen.fill();
    this.drawn += 1;
  }

  cross(x, y, radius, color) {
    const { pen } = this;
    pen.strokeStyle = color;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(x - radius, y - radius);
    pen.lineTo(x + radius, y + radius);
    pen.moveTo(x + radius, y - radius);
    pen.lineTo(x - radius, y + radius);
    pen.stroke();
    this.drawn += 1;
  }

  /** The requests at one backend: those in service in boxes at the right, the others in a queue before them. */
  stand(lane, now, style) {
    const { pen } = this;
    const { box, births, view, ghost } = lane;
    const gap = style.rem * 0.95;
    const rows = Math.max(1, Math.floor((box.h - 4) / gap));
    const workers = Math.min(view.server?.workers ?? 0, rows * 2);
    const wide = workers ? Math.ceil(workers / rows) : 0;
    const columns = Math.max(1, Math.floor((box.w - wide * (gap + 4) - 8) / gap));
    const most = Math.max(births.length, ghost?.in_flight ?? 0);
    const weight = Math.max(1, Math.ceil((most - workers) / (rows * columns)));
    const spot = (at) => {
      if (at < workers) {
        const high = Math.min(workers, rows);
        const x = box.x + box.w - (Math.floor(at / rows) + 0.5) * (gap + 2) - 3;
        return [x, box.y + box.h / 2 + ((at % rows) - (high - 1) / 2) * (gap + 2)];
      }
      const place = Math.floor((at - workers) / weight);
      const x = box.x + box.w - wide * (gap + 4) - 6 - (Math.floor(place / rows) + 0.5) * gap;
      return [x, box.y + box.h / 2 + ((place % rows) - (rows - 1) / 2) * gap];
    };
    pen.lineWidth = 1;
    pen.strokeStyle = style.muted;
    for (let at = 0; at < workers; at++) {
      const [x, y] = spot(at);
      pen.strokeRect(x - gap / 2, y - gap / 2, gap, gap);
    }
    const stopped = view.server && view.server.process !== "running";
    const step = (at) => (at < workers ? 1 : weight);
    for (let at = 0; at < births.length; at += step(at)) {
      const old = age(now - births[at]);
      const [x, y] = spot(at);
      this.dot(x, y, gap * (0.22 + 0.24 * old), style.shades[Math.round(old * (SHADES - 1))]);
      if (stopped) this.cross(x, y, gap * 0.2, style.panel);
    }
    if (weight > 1) {
      pen.fillStyle = style.text;
      pen.font = `${style.rem * 0.8}px system-ui, sans-serif`;
      pen.fillText(`● = ${weight}`, box.x + 2, box.y + style.rem * 0.8);
    }
    if (!ghost) return;
    pen.strokeStyle = style.orange;
    pen.lineWidth = 1.5;
    pen.setLineDash([3, 2]);
    for (let at = 0; at < ghost.in_flight; at += step(at)) {
      const [x, y] = spot(at);
      pen.beginPath();
      pen.arc(x, y, gap * 0.48, 0, 7);
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  /** One moving request; false when it has arrived. */
  move(dot, now, style) {
    const legs = 2 + dot.failed * 2 - (dot.stops.length === dot.failed ? 1 : 0);
    const at = (now - dot.born) / LEG;
    if (at < 0) return true;
    const { source, balancer } = this;
    const mid = (box, x) => [x, box.y + box.h / 2];
    const left = mid(balancer, balancer.x);
    const right = mid(balancer, balancer.x + balancer.w);
    const lane = (index) => {
      const box = this.lanes.get(dot.stops[index])?.box;
      return box && mid(box, box.x + 4);
    };
    const part = Math.floor(at);
    if (part >= legs) return this.arrive(dot, (at - legs) * 1.5, lane(dot.stops.length - 1), style);
    let [from, to] = [mid(source, source.x + source.w), left];
    const stop = Math.floor((part - 1) / 2);
    if (part > 0) [from, to] = part % 2 ? [right, lane(stop)] : [lane(stop), right];
    if (!from || !to) return false;
    const share = at - part;
    const x = from[0] + (to[0] - from[0]) * share;
    const y = from[1] + (to[1] - from[1]) * share;
    const size = style.rem * (0.24 + 0.22 * dot.age);
    // On its way back, a request has failed at a lane.
    if (part > 0 && part % 2 === 0) this.cross(x, y, size, style.red);
    this.dot(x, y, size, style.shades[Math.round(dot.age * (SHADES - 1))]);
    return true;
  }

  /** The outcome: a cross for an error, a ring for a good answer. */
  arrive(dot, share, spot, style) {
    if (share >= 1 || !spot) return false;
    const { pen } = this;
    const size = style.rem * (0.3 + 0.3 * share);
    pen.globalAlpha = 1 - share;
    if (dot.status >= 500) {
      this.cross(spot[0], spot[1], size, style.red);
    } else {
      pen.strokeStyle = style.blue;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(spot[0], spot[1], size, 0, 7);
      pen.stroke();
      this.drawn += 1;
    }
    pen.globalAlpha = 1;
    return true;
  }
}
