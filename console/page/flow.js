// The drawing of the requests: sampled requests move, and the requests at a backend stand in its lane.
import { canvas, id, path } from "./strings.js";

/** Microseconds from one place to the next. */
const LEG = 260_000;
const MOST = 300;

/** A request ages from 300 ms to 3 s: 0 is young, 1 is old. */
const age = (us) => Math.max(0, Math.min(1, Math.log10(us / 3e5)));

const shade = (old, style) => (old < 0.05 ? style.young : `color-mix(in srgb, ${style.old} ${Math.round(old * 8) * 12.5}%, ${style.mid})`);

export class Flow {
  frames = 0;
  moving = [];
  lanes = new Map();
  dots = new Map();

  lane(number) {
    if (!this.lanes.has(number)) this.lanes.set(number, { births: [] });
    return this.lanes.get(number);
  }

  /** Takes in an event: requests move, and ticks say how many came. */
  event(event, t) {
    if (event.event === "hello") {
      this.lanes.clear();
    } else if (event.event === "req" && event.n && this.moving.length < MOST) {
      const failed = (event.tried ?? []).map(([backend]) => backend);
      const last = event.backend && event.backend !== failed.at(-1) ? [event.backend] : [];
      const [legs, bad] = [failed.length * 2 + (last.length || 1), event.status >= 500];
      this.moving.push({ born: t, stops: [...failed, ...last], legs, bad, old: age(event.total_us) });
    } else if (event.event === "tick") {
      for (const backend of event.backends) this.tick(backend, this.ticked ?? t, t);
      this.ticked = t;
    }
  }

  /** The oldest leave first: the stream does not say which of them left. */
  tick({ backend, picks, in_flight: count }, since, t) {
    const lane = this.lane(backend);
    const came = Math.max(0, picks - (lane.picks ?? picks));
    lane.picks = picks;
    for (let at = Math.max(1, came - count + 1); at <= came; at++) lane.births.push(since + ((t - since) * at) / came);
    while (lane.births.length < count) lane.births.unshift(since);
    lane.births.splice(0, lane.births.length - count);
  }

  /** Measures where the parts of the page stand. */
  place(view, rows) {
    const box = id("dots").getBoundingClientRect();
    const inside = (node) => {
      const { left, top, width: w, height: h } = node.getBoundingClientRect();
      return { x: left - box.left, y: top - box.top, w, h, right: left - box.left + w, mid: top - box.top + h / 2 };
    };
    const [source, balancer, clip] = ["source", "lb", "lanes"].map((name) => inside(id(name)));
    // In a narrow window, the way goes down.
    const down = balancer.y + balancer.h <= clip.y;
    const end = (node, last) => (down ? [node.x + 12, node.y + node.h * last] : [node.x + node.w * last, node.mid]);
    this.ways = [end(source, 1), end(balancer, 0), end(balancer, 1)];
    this.clip = { ...clip, top: Math.min(source.y, clip.y) };
    for (const lane of view.lanes) {
      const mine = this.lane(lane.number);
      mine.box = inside(rows.get(lane.number).track);
      mine.view = lane;
      mine.ghost = view.ghost?.lanes.find((one) => one.number === lane.number)?.in_flight ?? 0;
      mine.births.splice(0, mine.births.length - lane.in_flight);
    }
    for (const number of this.lanes.keys()) if (!rows.has(number)) this.lanes.delete(number);
  }

  /** Draws the moment `now`, in microseconds of the stream. */
  draw(now, style) {
    if (!this.ways) return;
    const { ways: [client, door, gate], clip } = this;
    [this.pen] = canvas(id("dots"));
    this.style = style;
    this.frames += 1;
    this.drawn = 0;
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(0, clip.top, clip.right, clip.y + clip.h - clip.top);
    this.pen.clip();
    const lanes = [...this.lanes.values()].filter(({ box }) => box?.mid > clip.y);
    const line = (from, to, width, dash) => path(this.pen, [[...from, true], to], style.line, width, dash);
    line(client, door, 4);
    for (const { box, view } of lanes) {
      // The width of a line is the share of its lane.
      const gets = view.state === "up" && view.mode === "ready";
      line(gate, [box.x, box.mid], 1 + view.share * 9, gets ? [] : [3, 6]);
    }
    this.pen.setLineDash([]);
    for (const lane of lanes) this.stand(lane, now);
    this.moving = this.moving.filter((dot) => this.move(dot, (now - dot.born) / LEG));
    this.fill();
    this.pen.restore();
  }

  /** Adds a dot to those of its colour, which `fill` draws together: that takes a third of the time. */
  dot(x, y, radius, color) {
    if (!this.dots.has(color)) this.dots.set(color, new Path2D());
    this.dots.get(color).moveTo(x + radius, y);
    this.dots.get(color).arc(x, y, radius, 0, 7);
    this.drawn += 1;
  }

  fill() {
    for (const [color, dots] of this.dots) {
      this.pen.fillStyle = color;
      this.pen.fill(dots);
    }
    this.dots.clear();
  }

  ring(x, y, radius, color) {
    this.pen.strokeStyle = color;
    this.pen.beginPath();
    this.pen.arc(x, y, radius, 0, 7);
    this.pen.stroke();
    this.drawn += 1;
  }

  cross(x, y, r, color) {
    path(this.pen, [[x - r, y - r, true], [x + r, y + r], [x + r, y - r, true], [x - r, y + r]], color);
  }

  /** The requests at one backend: those in service in boxes at the right, the others in a queue before them. */
  stand({ box, births, view, ghost }, now) {
    const { pen, style } = this;
    const unit = style.rem * 0.95;
    const rows = (gap) => Math.max(1, Math.floor((box.h - 4) / gap));
    const tall = rows(unit);
    const workers = Math.min(view.server?.workers ?? 0, tall * 2);
    const wide = workers && Math.ceil(workers / tall) * (unit + 4);
    const waiting = Math.max(births.length, ghost) - workers;
    const room = (gap) => rows(gap) * Math.max(1, Math.floor((box.w - wide - style.rem * 2) / gap));
    // A long queue stands closer. Then one dot stands for several requests.
    let gap = unit;
    while (gap > unit * 0.65 && room(gap) < waiting) gap *= 0.9;
    const weight = Math.max(1, Math.ceil(waiting / room(gap)));
    const spot = (at) => {
      const serves = at < workers;
      const [place, right, step, most] = serves
        ? [at, box.right - 3, unit + 2, Math.min(workers, tall)]
        : [Math.floor((at - workers) / weight), box.right - wide - 6, gap, rows(gap)];
      return [right - (Math.floor(place / most) + 0.5) * step, box.mid + ((place % most) - (most - 1) / 2) * step];
    };
    const each = (count, draw) => {
      for (let at = 0; at < count; at += at < workers ? 1 : weight) draw(...spot(at), at);
    };
    pen.lineWidth = 1;
    pen.strokeStyle = style.muted;
    each(workers, (x, y) => pen.strokeRect(x - unit / 2, y - unit / 2, unit, unit));
    const runs = (view.server?.process ?? "running") === "running";
    each(births.length, (x, y, at) => {
      // Between two ticks, nothing is known: ages wait for the next one.
      const old = age(Math.min(now, this.ticked + 250_000) - births[at]);
      this.dot(x, y, (at < workers ? unit : gap) * (0.22 + 0.24 * old), shade(old, style));
    });
    this.fill();
    if (!runs) each(births.length, (x, y) => this.cross(x, y, gap * 0.2, style.panel));
    pen.fillStyle = style.text;
    pen.font = `${style.rem * 0.8}px system-ui, sans-serif`;
    if (weight > 1) pen.fillText(`●=${weight}`, box.x + 1, box.y + style.rem * 0.8);
    pen.lineWidth = 1.5;
    pen.setLineDash([3, 2]);
    each(ghost, (x, y) => this.ring(x, y, gap * 0.48, style.orange));
    pen.setLineDash([]);
  }

  /** One moving request, after so many legs of its way; false when it has arrived. */
  move({ stops, legs, bad, old }, at) {
    const { ways: [client, door, gate], style, clip } = this;
    const lane = (index) => {
      const box = this.lanes.get(stops[index])?.box;
      return box?.mid > clip.y && [box.x + 4, box.mid];
    };
    const part = Math.floor(at);
    if (part > legs) return this.arrive(bad, (at - legs - 1) * 1.5, lane(stops.length - 1));
    const stop = lane(Math.floor((part - 1) / 2));
    const [from, to] = part < 1 ? [client, door] : part % 2 ? [gate, stop] : [stop, gate];
    if (!from || !to) return false;
    const [x, y] = from.map((value, axis) => value + (to[axis] - value) * (at - part));
    const size = style.rem * (0.24 + 0.22 * old);
    // On its way back, a request has failed at a lane.
    if (part > 0 && part % 2 === 0) this.cross(x, y, size * 1.4, style.red);
    this.dot(x, y, size, shade(old, style));
    return true;
  }

  /** The outcome: a cross for an error, a ring for a good answer. */
  arrive(bad, part, spot) {
    if (part >= 1 || !spot) return false;
    const size = this.style.rem * (0.3 + 0.3 * part);
    this.pen.globalAlpha = 1 - part;
    this.pen.lineWidth = 2;
    if (bad) this.cross(...spot, size, this.style.red);
    else this.ring(...spot, size, this.style.blue);
    this.pen.globalAlpha = 1;
    return true;
  }
}
