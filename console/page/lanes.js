// The lanes: one backend each, with its numbers and its buttons.
import { fit, make, num, percent, put, rate, t, time, word } from "./strings.js";

export const SHAPES = { up: "●", suspect: "▲", rising: "▲", ejected: "◆", down: "■", drain: "◇" };
const NUMBERS = ["share", "good-share", "rate", "in-flight", "queue", "p50", "p99", "bad", "retries"];
const NOW = new Set(["in-flight", "queue"]);
const BUTTONS = ["kill", "stop", "slow", "errors", "drain", "heal"];
export const FAULTS = {
  slow: { kind: "latency", fixed: "400ms" },
  errors: { kind: "status", code: 503 },
};

/** The word for the state of a lane: what the operator wants comes before what the balancer sees. */
export function stateOf(lane) {
  if (lane.mode !== "ready") return "drain";
  if (lane.state === "down" && /^[1-9]\d*\/\d+ up/.test(lane.progress)) return "rising";
  return lane.state in SHAPES ? lane.state : "down";
}

const has = (lane, kind) => lane.faults.some((fault) => fault.startsWith(kind));
const process = (lane) => lane.server?.process ?? "running";

/** The command of a button for the present state of its lane. */
export function command(lane, button) {
  const backend = lane.number;
  switch (button) {
    case "kill": return { do: process(lane) === "dead" ? "start" : "kill", backend };
    case "stop": return { do: process(lane) === "stopped" ? "continue" : "stop", backend };
    case "drain": return { do: lane.mode === "ready" ? "drain" : "ready", backend };
    case "heal": return { do: "heal", backend };
    default: {
      const fault = FAULTS[button];
      return has(lane, fault.kind) ? { do: "end-fault", backend, kind: fault.kind } : { do: "fault", backend, fault };
    }
  }
}

export class Lanes {
  /** `send` takes a command, `choose` the number of a lane. */
  constructor(list, send, choose) {
    Object.assign(this, { list, send, choose, rows: new Map(), chosen: 1 });
  }

  /** Shows the lanes of a view. */
  show(view, style) {
    for (const [number, row] of this.rows) {
      if (!view.lanes.some((lane) => lane.number === number)) {
        row.node.remove();
        this.rows.delete(number);
      }
    }
    for (const lane of view.lanes) {
      if (!this.rows.has(lane.number)) this.rows.set(lane.number, this.row(lane.number));
      const row = this.rows.get(lane.number);
      row.lane = lane;
      this.fill(row, lane, view);
      strip(row.strip, lane.cells, style);
    }
  }

  row(number) {
    const node = document.getElementById("lane").content.firstElementChild.cloneNode(true);
    const row = { node, number, lane: null, fields: {}, buttons: {} };
    node.dataset.lane = number;
    const numbers = node.querySelector(".nums");
    for (const name of NUMBERS) {
      const box = make("div");
      const label = make("dt");
      row[`label-${name}`] = label;
      box.append(label, make("dd", "", { "data-field": name }));
      numbers.append(box);
    }
    for (const field of node.querySelectorAll("[data-field]")) row.fields[field.dataset.field] = field;
    const name = node.querySelector("[data-choose]");
    name.addEventListener("click", () => this.choose(number));
    node.addEventListener("focusin", () => this.choose(number));
    for (const button of BUTTONS) {
      const made = make("button", "", { "data-do": button, type: "button" });
      made.addEventListener("click", () => this.press(number, button));
      node.querySelector(".acts").append(made);
      row.buttons[button] = made;
    }
    const weight = node.querySelector("[data-do=weight]");
    const out = node.querySelector("output");
    weight.addEventListener("input", () => { row.held = Date.now() + 2000; put(out, weight.value); });
    weight.addEventListener("change", () => this.send({ do: "weight", backend: number, weight: Number(weight.value) }));
    put(node.querySelector(".weight span"), t("weight"));
    Object.assign(row, { name, weight, out, strip: node.querySelector(".strip") });
    const next = [...this.rows.keys()].filter((other) => other > number).sort((a, b) => a - b)[0];
    this.list.insertBefore(node, next ? this.rows.get(next).node : null);
    return row;
  }

  /** Presses a button of a lane. */
  press(number, button) {
    const lane = this.rows.get(number)?.lane;
    if (lane) this.send(command(lane, button));
  }

  fill(row, lane, view) {
    const { fields, node } = row;
    const state = stateOf(lane);
    const dead = process(lane) !== "running";
    const harm = lane.trouble === "harm";
    node.dataset.state = state;
    node.dataset.trouble = lane.trouble;
    node.classList.toggle("dim", dead || lane.is_quiet);
    node.classList.toggle("worst", harm && lane.is_worst);
    node.classList.toggle("chosen", this.chosen === lane.number);
    put(row.name, `B${lane.number} ${lane.url.split(":").pop()}`);
    row.name.setAttribute("aria-pressed", this.chosen === lane.number);
    const bad = lane.good == null ? null : 1 - lane.good;
    const waits = (lane.server?.queued ?? 0) + lane.waiting;
    const texts = {
      shape: SHAPES[state],
      state: word(state, "state"),
      progress: lane.progress,
      process: dead ? word(process(lane), "process") : "",
      faults: [...lane.faults, ...(harm ? [t("worst", { n: percent(bad, 0) })] : [])].join(" · "),
      cause: lane.cause,
      probe: lane.probe ? t("probe", { what: lane.probe.what, took: time(lane.probe.took_us) }) : "",
      share: percent(lane.share),
      "good-share": percent(lane.good_share),
      rate: rate(lane.rate),
      "in-flight": num(lane.in_flight),
      queue: `${num(waits)}${lane.server?.queue ? `/${lane.server.queue}` : ""}`,
      p50: time(lane.p50_us),
      p99: time(lane.p99_us),
      bad: percent(bad, 0),
      retries: rate(lane.retries),
      ghost: this.ghost(lane, view),
    };
    for (const [name, text] of Object.entries(texts)) put(fields[name], text);
    fields.bad.classList.toggle("alarm", bad > 0.05);
    const window = t("s", { n: Math.round(Math.min(view.window_us, view.covers_us || view.window_us) / 1e6) });
    for (const name of NUMBERS) put(row[`label-${name}`], `${t(`n_${name}`)} ${NOW.has(name) ? t("now") : window}`);
    this.label(row, lane, dead);
    if (Date.now() > (row.held ?? 0) && row.weight.value !== String(lane.weight)) row.weight.value = lane.weight;
    if (Date.now() > (row.held ?? 0)) put(row.out, lane.warm == null ? num(lane.weight) : t("warm", { n: num(lane.weight * lane.warm, 1), of: lane.weight }));
  }

  /** The words of the buttons: each of them says what it does next. */
  label(row, lane) {
    for (const [button, node] of Object.entries(row.buttons)) {
      const does = command(lane, button).do;
      const toggles = button in FAULTS;
      put(node, t(toggles ? button : `do_${does}`));
      if (!toggles) node.dataset.do = does;
      else node.setAttribute("aria-pressed", does === "end-fault");
      node.setAttribute("aria-label", `${node.textContent} B${lane.number}`);
    }
    row.weight.setAttribute("aria-label", `${t("weight")} B${lane.number}`);
  }

  ghost(lane, view) {
    const ghost = view.ghost?.lanes.find((one) => one.number === lane.number);
    if (!ghost) return "";
    const values = { policy: view.ghost.policy, n: ghost.in_flight, share: percent(ghost.share), p99: time(ghost.p99_us) };
    return t("would", values);
  }
}

/** The last 60 seconds: the height says the state, and the colour says it again. */
function strip(canvas, cells, style) {
  const key = cells.map((cell) => (cell ? cell.state[0] + Math.min(cell.errors, 1) : "-")).join("") + style.scheme;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || canvas.dataset.key === key + width) return;
  canvas.dataset.key = key + width;
  const scale = Math.min(devicePixelRatio, 2);
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const step = width / cells.length;
  const tall = { up: 0.25, suspect: 0.6, ejected: 0.8, down: 1 };
  let out = 0;
  let errors = 0;
  cells.forEach((cell, at) => {
    if (!cell) return;
    out += cell.state === "up" ? 0 : 1;
    errors += cell.errors ? 1 : 0;
    const part = tall[cell.state] ?? 1;
    pen.fillStyle = cell.state === "up" ? style.blue : style.orange;
    pen.fillRect(at * step, height * (1 - part), step - 1, height * part);
    if (!cell.errors) return;
    pen.fillStyle = style.red;
    pen.fillRect(at * step, 0, step - 1, height * 0.6);
  });
  canvas.setAttribute("aria-label", t("strip", { out, errors }));
  canvas.title = canvas.getAttribute("aria-label");
}
