// The lanes: one backend each, with its numbers and its buttons.
import { canvas, id, make, num, percent, put, rate, seconds, t, time, word } from "./strings.js";

export const SHAPES = { up: "●", suspect: "▲", rising: "▲", ejected: "◆", down: "■", drain: "◇" };
const NUMBERS = ["share", "good-share", "rate", "in-flight", "queue", "p50", "p99", "bad", "retries"];
const BUTTONS = ["kill", "stop", "slow", "errors", "drain", "heal"];
const FAULTS = { slow: { kind: "latency", fixed: "400ms" }, errors: { kind: "status", code: 503 } };

/** The period of rates, as it stands beside each number. */
const period = (view) => `${seconds(Math.min(view.window_us, view.covers_us || view.window_us))} s`;

/** The name of a number, with its period. */
export const title = (name, view) => `${t(`n_${name}`)} ${name === "in-flight" || name === "queue" ? t("now") : period(view)}`;

/** The word for the state of a lane: what the operator wants comes before what the balancer sees. */
function stateOf({ mode, state, progress }) {
  if (mode !== "ready") return "drain";
  if (state === "down" && /^[1-9]\d*\/\d+ up/.test(progress)) return "rising";
  return state in SHAPES ? state : "down";
}

const process = (lane) => lane.server?.process ?? "running";

/** The command of a button for the present state of its lane. */
function command(lane, button) {
  const backend = lane.number;
  const fault = FAULTS[button];
  if (fault) {
    const on = lane.faults.some((words) => words.startsWith(fault.kind));
    return on ? { do: "end-fault", backend, kind: fault.kind } : { do: "fault", backend, fault };
  }
  if (button === "kill" && process(lane) === "dead") return { do: "start", backend };
  if (button === "stop" && process(lane) === "stopped") return { do: "continue", backend };
  if (button === "drain" && lane.mode !== "ready") return { do: "ready", backend };
  return { do: button, backend };
}

export class Lanes {
  rows = new Map();
  chosen = 1;

  /** `send` takes a command. */
  constructor(send) {
    this.send = send;
  }

  /** Shows the lanes of a view. */
  show(view, style) {
    for (const [number, { node }] of this.rows) {
      if (view.lanes.some((lane) => lane.number === number)) continue;
      node.remove();
      this.rows.delete(number);
    }
    for (const lane of view.lanes) {
      if (!this.rows.has(lane.number)) this.rows.set(lane.number, this.row(lane.number));
      const row = this.rows.get(lane.number);
      row.lane = lane;
      this.fill(row, lane, view);
    }
    // After all words: a canvas asks for its size, and each change before it would cost a layout.
    for (const lane of view.lanes) strip(this.rows.get(lane.number).strip, lane.cells, style);
  }

  choose(number) {
    if (!this.rows.has(number) || this.chosen === number) return;
    this.chosen = number;
    for (const row of this.rows.values()) this.mark(row);
    this.rows.get(number).node.scrollIntoView({ block: "nearest" });
  }

  mark({ number, node, name }) {
    node.classList.toggle("chosen", number === this.chosen);
    name.ariaPressed = number === this.chosen;
  }

  row(number) {
    const node = id("lane").content.firstElementChild.cloneNode(true);
    const find = (query) => node.querySelector(query);
    const weight = find("[data-do=weight]");
    const row = { number, node, weight, fields: {}, labels: {}, buttons: {}, held: 0 };
    for (const part of ["name", "strip", "track"]) row[part] = find(`.${part}`);
    node.dataset.lane = number;
    for (const name of NUMBERS) {
      const box = make("div");
      row.labels[name] = make("dt");
      box.append(row.labels[name], make("dd", "", { "data-field": name }));
      find(".nums").append(box);
    }
    for (const field of node.querySelectorAll("[data-field]")) row.fields[field.dataset.field] = field;
    row.name.addEventListener("click", () => this.choose(number));
    node.addEventListener("focusin", () => this.choose(number));
    for (const button of BUTTONS) {
      const node = row.buttons[button] = make("button", "", { "data-do": button });
      node.addEventListener("click", () => this.press(number, button));
      find(".acts").append(node);
    }
    weight.addEventListener("input", () => { row.held = Date.now() + 2000; put(row.fields.weight, weight.value); });
    weight.addEventListener("change", () => this.send({ do: "weight", backend: number, weight: Number(weight.value) }));
    this.mark(row);
    const after = [...id("lanes").children].find((other) => Number(other.dataset.lane) > number);
    id("lanes").insertBefore(node, after ?? null);
    return row;
  }

  /** Presses a button of a lane. */
  press(number, button) {
    const lane = this.rows.get(number)?.lane;
    if (lane) this.send(command(lane, button));
  }

  fill({ fields, node, labels, name, buttons, weight, held }, lane, view) {
    const state = stateOf(lane);
    const runs = process(lane) === "running";
    const harm = lane.trouble === "harm";
    const bad = lane.good == null ? null : 1 - lane.good;
    const ghost = view.ghost?.lanes.find((one) => one.number === lane.number);
    node.dataset.state = state;
    node.dataset.trouble = lane.trouble;
    node.classList.toggle("dim", !runs || lane.is_quiet);
    node.classList.toggle("worst", harm && lane.is_worst);
    fields.bad.classList.toggle("alarm", bad > 0.05);
    put(name, `B${lane.number} ${lane.url.split(":").pop()}`);
    const { server, probe, warm } = lane;
    const texts = {
      shape: SHAPES[state],
      state: word("state", state),
      progress: lane.progress,
      process: runs ? "" : word("process", process(lane)),
      faults: [...lane.faults, ...(harm ? [t("worst", { n: percent(bad, 0) })] : [])].join(" · "),
      cause: lane.cause,
      probe: probe ? t("probe", { what: probe.what, took: time(probe.took_us) }) : "",
      share: percent(lane.share),
      "good-share": percent(lane.good_share),
      rate: rate(lane.rate),
      "in-flight": num(lane.in_flight),
      queue: `${num((server?.queued ?? 0) + lane.waiting)}${server?.queue ? `/${server.queue}` : ""}`,
      p50: time(lane.p50_us),
      p99: time(lane.p99_us),
      bad: percent(bad, 0),
      retries: rate(lane.retries),
      ghost: ghost ? t("would", { policy: view.ghost.policy, n: ghost.in_flight, share: percent(ghost.share), p99: time(ghost.p99_us) }) : "",
    };
    if (Date.now() > held) {
      weight.value = lane.weight;
      texts.weight = warm == null ? num(lane.weight) : t("warm", { n: num(lane.weight * warm, 1), of: lane.weight });
    }
    for (const field in texts) put(fields[field], texts[field]);
    // These are cut where they have no room.
    for (const field of ["faults", "cause", "probe"]) fields[field].title = texts[field];
    for (const number of NUMBERS) put(labels[number], title(number, view));
    put(weight.previousSibling, t("weight"));
    weight.ariaLabel = `${t("weight")} B${lane.number}`;
    for (const button of BUTTONS) {
      // Each button says what it does next.
      const does = command(lane, button).do;
      const node = buttons[button];
      if (FAULTS[button]) node.ariaPressed = does === "end-fault";
      else node.dataset.do = does;
      put(node, t(FAULTS[button] ? button : `do_${does}`));
      node.ariaLabel = `${node.textContent} B${lane.number}`;
    }
  }
}

/** The last 60 seconds: the height says the state, and the colour says it again. */
function strip(node, cells, style) {
  const key = cells.map((cell) => (cell ? cell.state + (cell.errors > 0) : "-")).join() + node.clientWidth + style.text;
  if (node.key === key) return;
  node.key = key;
  const [pen, width, height] = canvas(node);
  const step = width / cells.length;
  const tall = { up: 0.25, suspect: 0.6, ejected: 0.8, down: 1 };
  cells.forEach((cell, at) => {
    if (!cell) return;
    const part = height * (tall[cell.state] ?? 1);
    pen.fillStyle = cell.state === "up" ? style.blue : style.orange;
    pen.fillRect(at * step, height - part, step - 1, part);
    pen.fillStyle = style.red;
    if (cell.errors) pen.fillRect(at * step, 0, step - 1, height * 0.6);
  });
  const count = (is) => cells.filter((cell) => cell && is(cell)).length;
  node.title = node.ariaLabel = t("strip", { out: count((cell) => cell.state !== "up"), errors: count((cell) => cell.errors) });
}
