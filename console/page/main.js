// The page: it reads the stream, keeps the model, and sends commands.
import { Model } from "./model.js";
import { Flow, style as readStyle } from "./flow.js";
import { Lanes, SHAPES, stateOf } from "./lanes.js";
import { KEYS, listen, shown } from "./keys.js";
import { caption, percentiles, table, timeplot } from "./plot.js";
import { LANGUAGES, fit, make, num, percent, put, rate, speak, t, time, wanted, word } from "./strings.js";
import { Why } from "./why.js";

const id = (name) => document.getElementById(name);
const RATES = [10, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300];
const CLIENTS = [1, 2, 4, 6, 8, 10, 12, 16, 24, 32];
const KINDS = {
  slow: { kind: "latency", fixed: "400ms" },
  errors: { kind: "status", code: 503 },
  some_errors: { kind: "status", code: 503, percent: 30 },
  resets: { kind: "reset", percent: 30 },
  stall: { kind: "stall", percent: 20 },
};
const KEPT = 60_000; // Events that a pause keeps.
const QUIET_MS = 2_000; // Ticks come 4 times a second: silence for this long is a problem.

const reduced = matchMedia("(prefers-reduced-motion: reduce)");
let style = readStyle();
let model = new Model();
let view = null;
let token = document.querySelector("meta[name=token]").content;
const clock = { lag: null, head: 0, seen: 0, buffer: [], last: 0, at: 0 };
const state = { paused: false, slow: false, broken: "", held: 0 };
const flow = new Flow(id("dots"));
const why = new Why();
const lanes = new Lanes(id("lanes"), send, choose);
/** What tests look at. */
window.roundabout = { get frames() { return flow.frames; }, get drawn() { return flow.drawn; }, get model() { return model; }, get view() { return view; }, get buffered() { return clock.buffer.length; }, events: 0 };

// The stream.

let source;
function connect() {
  source = new EventSource("/events");
  const take = (message) => receive(JSON.parse(message.data));
  for (const name of ["hello", "tick", "state", "probe", "fault", "control", "load", "req", "why", "ghost", "gap"]) {
    source.addEventListener(name, take);
  }
  source.onopen = () => { state.broken = ""; };
  source.onerror = () => {
    if (!state.broken) state.broken = new Date().toLocaleTimeString();
    // The browser tries again by itself, except after an answer that is no stream.
    if (source.readyState === EventSource.CLOSED) { source.close(); setTimeout(connect, 1000); }
  };
}

const microseconds = () => performance.now() * 1000;
const held = () => state.paused || state.slow;

function receive(event) {
  window.roundabout.events += 1;
  state.heard = performance.now();
  const stamp = event.t ?? event.tick?.t ?? clock.last;
  if (event.event === "hello") clock.lag = null;
  clock.last = Math.max(stamp, event.event === "hello" ? 0 : clock.last);
  // The event that took the shortest way tells the offset of the two clocks.
  const lag = microseconds() - stamp;
  if (event.event !== "why" && event.event !== "req") clock.lag = clock.lag == null ? lag : Math.min(clock.lag + 50, lag);
  if (!held()) return apply(event, stamp);
  clock.buffer.push([stamp, event]);
  if (clock.buffer.length > KEPT) resume();
}

function apply(event, stamp) {
  model.apply(event);
  flow.event(event, stamp);
  why.event(event);
  if (event.event === "state" && event.from !== event.to) {
    news.push(t("live", { b: event.backend, state: word(event.to, "state"), cause: event.cause }));
  }
}

/** Moves the playhead: at once to the newest event, at a quarter of the speed, or not at all. */
function advance() {
  const now = microseconds();
  const passed = now - clock.at;
  clock.at = now;
  if (!held()) {
    clock.head = clock.lag == null ? 0 : now - clock.lag;
    return;
  }
  if (state.paused) return;
  clock.head += passed / 4;
  while (clock.buffer.length && clock.buffer[0][0] <= clock.head) {
    const [stamp, event] = clock.buffer.shift();
    apply(event, stamp);
  }
}

function resume() {
  for (const [stamp, event] of clock.buffer) apply(event, stamp);
  clock.buffer = [];
  state.paused = state.slow = false;
}

function toggle(what) {
  advance();
  state[what] = !state[what];
  if (!held()) resume();
  refresh();
}

// Commands.

let queue = Promise.resolve();
/** Sends a command after those before it: two keys in a row act in their order. */
function send(command) {
  queue = queue.then(() => post(command));
}

async function post(command, again = true) {
  try {
    const headers = { "Content-Type": "application/json", "x-console-token": token };
    const answer = await fetch("/commands", { method: "POST", headers, body: JSON.stringify(command) });
    const { done, error } = await answer.json();
    if (answer.status === 403 && again) {
      // The server has started again: its page has a new token.
      const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
      token = page.querySelector("meta[name=token]")?.content ?? token;
      return post(command, false);
    }
    if (error) say(error, 8000);
    else state.done = t("done", { what: done });
  } catch (error) {
    say(t("not_sent", { why: error.message }), 8000);
  }
  refresh();
}

function say(text, ms) {
  state.said = { text, until: performance.now() + ms };
}

function choose(number) {
  if (lanes.chosen === number || !lanes.rows.has(number)) return;
  lanes.chosen = number;
  lanes.rows.get(number).node.scrollIntoView({ block: "nearest" });
  if (view) lanes.show(view, style);
}

const others = () => view.policies.filter((policy) => policy !== view.policy);
function policy(step) {
  const { policies } = view;
  const at = policies.indexOf(view.policy);
  send({ do: "policy", policy: policies[(at + step + policies.length) % policies.length] });
}

function load(step, loop) {
  const now = view?.load;
  if (!now) return;
  const open = (loop ?? now.control) === "open";
  const [steps, value] = open ? [RATES, now.rate] : [CLIENTS, now.clients];
  const next = step > 0 ? steps.find((one) => one > value) : step < 0 ? steps.findLast((one) => one < value) : value;
  setLoad(open, next ?? value);
}
const setLoad = (open, value) => send(open ? { do: "load", loop: "open", rate: value } : { do: "load", loop: "closed", clients: value });

const ACTIONS = {
  lane: choose,
  before: () => choose([...lanes.rows.keys()].sort((a, b) => b - a).find((number) => number < lanes.chosen)),
  after: () => choose([...lanes.rows.keys()].sort((a, b) => a - b).find((number) => number > lanes.chosen)),
  reset: () => send({ do: "reset" }),
  policy: () => policy(1),
  policy_back: () => policy(-1),
  ghost: () => {
    const next = others()[others().indexOf(view.ghost?.policy) + 1];
    send(next ? { do: "ghost", policy: next } : { do: "ghost" });
  },
  ghost_real: () => view.ghost && send({ do: "policy", policy: view.ghost.policy }),
  more: () => load(1),
  less: () => load(-1),
  loop: () => load(0, view.load?.control === "open" ? "closed" : "open"),
  pause: () => toggle("paused"),
  report: () => id("report").click(),
  why: () => id("why").focus(),
  legend: () => (id("legend-box").open ? id("legend-box").close() : id("legend-box").showModal()),
  leave: () => { id("secret").open = false; document.activeElement?.blur(); },
};
function act(name, value) {
  if (!view && name !== "legend") return;
  if (ACTIONS[name]) ACTIONS[name](value);
  else lanes.press(lanes.chosen, name);
}

// What changes four times a second.

const news = [];
setInterval(() => {
  if (news.length) put(id("live"), news.splice(0).slice(-3).join(" · "));
}, 1000);

function refresh() {
  advance();
  banner();
  if (!clock.last) return;
  view = model.view();
  const chips = view.load;
  menus(chips);
  const window = Math.round(Math.min(view.window_us, view.covers_us || view.window_us) / 1e6);
  totals(window);
  lanes.show(view, style);
  why.show(view);
  plots();
  if (!reduced.matches) flow.place(view, lanes.rows);
}

function banner() {
  const now = performance.now();
  const quiet = state.heard && now - state.heard > QUIET_MS;
  const old = num((now - (state.heard ?? now)) / 1000);
  let text = "";
  if (state.broken) text = t("broken", { at: state.broken, n: old });
  else if (quiet) text = t("quiet", { n: old });
  else if (view?.problem) text = view.problem;
  else if (state.said?.until > now) text = state.said.text;
  else if (state.paused) text = t("paused", { n: num((microseconds() - clock.lag - clock.head) / 1e6) });
  else if (state.slow) text = t("slowed", { n: num((microseconds() - clock.lag - clock.head) / 1e6) });
  else if (view?.secret) text = secret(view.secret);
  put(id("banner"), text);
  id("banner").hidden = !text;
  document.body.classList.toggle("stale", Boolean(state.broken || quiet));
  id("pause").setAttribute("aria-pressed", state.paused);
  id("slow-motion").setAttribute("aria-pressed", state.slow);
  id("secret-reveal").disabled = !view?.secret || Boolean(view.secret.revealed);
}

function secret({ since, revealed }) {
  if (!revealed) return t("secret_runs", { n: num((view.t - since) / 1e6) });
  const { backend, fault, after_us: after } = revealed;
  return view.t > since + after + 30e6 ? "" : t("revealed", { b: backend, kind: fault, after: time(after) });
}

function options(select, values, chosen) {
  const key = JSON.stringify(values);
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(...values.map(([value, text]) => make("option", text, { value })));
    select.value = chosen;
  }
  if (document.activeElement !== select && select.value !== chosen) select.value = chosen;
}

function menus(now) {
  options(id("policy"), view.policies.map((name) => [name, name]), view.policy);
  options(id("ghost"), [["", t("off")], ...others().map((name) => [name, name])], view.ghost?.policy ?? "");
  id("ghost-real").disabled = !view.ghost;
  options(id("secret-lane"), [["", t("any")], ...view.lanes.map((lane) => [lane.number, `B${lane.number}`])], id("secret-lane").value);
  options(id("secret-kind"), [["", t("any")], ...Object.keys(KINDS).map((kind) => [kind, t(`kind_${kind}`)])], id("secret-kind").value);
  if (!now) return;
  const open = now.control === "open";
  if (document.activeElement !== id("load-loop")) id("load-loop").value = now.control;
  id("rate-box").hidden = !open;
  id("clients-box").hidden = open;
  for (const [name, value, text] of [["rate", now.rate, `${num(now.rate)}/s`], ["clients", now.clients, num(now.clients)]]) {
    const range = id(`load-${name}`);
    if (Date.now() < state.held) continue;
    if (value > Number(range.max)) range.max = value;
    range.value = value;
    put(id(`${name}-out`), text);
  }
}

function totals(window) {
  const { totals: all, load: now, ghost } = view;
  const last = t("last", { n: window });
  const parts = [
    ["offered", rate(all.offered)], ["good", rate(all.good)], ["errors", rate(all.errors)],
    ["retries", `${rate(all.retries)}${all.amplification ? ` (×${num(all.amplification, 2)})` : ""}`],
    ["imbalance", all.imbalance == null ? "–" : `×${num(all.imbalance, 2)}`],
    ["p50", time(now?.p50_us)], ["p99", time(now?.p99_us)], ["in-flight", num(all.in_flight ?? 0)],
  ];
  const boxes = fit(id("totals"), parts.length, () => { const box = make("span"); box.append(make("small"), make("b")); return box; });
  parts.forEach(([name, text], index) => {
    const [label, value] = boxes[index].children;
    put(label, `${t(`n_${name}`)} · ${name === "in-flight" ? t("now") : last}`);
    put(value, text);
    value.dataset.total = name;
  });
  boxes[2].lastChild.classList.toggle("alarm", all.errors > 0);
  const waiting = now?.control === "closed" ? t("clients_wait", { n: Math.min(now.waiting, now.clients), of: now.clients }) : now ? t("open_loop", { rate: num(now.rate) }) : "";
  put(id("source-load"), waiting);
  put(id("dot-weight"), t(all.one_in === 1 ? "dot" : "dots", { n: all.one_in || "–" }));
  put(id("lb-policy"), view.policy);
  id("ghost-line").hidden = !ghost;
  if (ghost) {
    const agreement = ghost.agreement == null ? t("agreement_soon") : t("agreement", { n: num(ghost.agreement), s: Math.round(Math.min(ghost.covers_us, 30e6) / 1e6) });
    put(id("ghost-line"), `${t("ghost_line", { policy: ghost.policy, p50: time(ghost.totals.p50_us), p99: time(ghost.totals.p99_us), errors: rate(ghost.totals.errors), n: num(ghost.totals.in_flight) })} ${agreement}`);
  }
  const line = view.log.at(-1);
  const seed = view.seed == null ? "" : `${t("seed")} ${view.seed}`;
  put(id("status"), [state.done, line?.text, seed].filter(Boolean).join(" · "));
}

// Plots.

const SOLID = [];
const DASHED = [7, 4];
const DOTTED = [2, 3];
function plots() {
  const { series, marks } = view;
  if (!series) return;
  const { points } = series;
  const at = points.map((point) => point.t);
  const second = t("per_second");
  const lines = [["offered", style.muted, DASHED], ["good", style.blue, SOLID], ["errors", style.red, SOLID], ["tries", style.orange, DOTTED]]
    .map(([name, color, dash]) => ({ name: t(`n_${name}`), values: points.map((point) => point[name]), color, dash }));
  draw("plot-rate", t("plot_rate"), second, at, lines, marks);
  const flight = view.lanes.slice(0, 8).map((lane, index) => ({
    name: `B${lane.number}`, values: points.map((point) => point.in_flight[index]), color: style.lanes[index % 8], dash: [SOLID, DASHED, DOTTED][index % 3],
  }));
  draw("plot-flight", t("plot_flight"), "", at, flight, marks);
  const { percentiles: known, ghost } = view;
  const curves = [
    { name: t("corrected"), values: known.corrected, color: style.blue, dash: SOLID },
    { name: t("uncorrected"), values: known.uncorrected, color: style.muted, dash: DOTTED },
  ];
  if (ghost) curves.push({ name: t("would_be", { policy: ghost.policy }), values: known.ghost, color: style.orange, dash: DASHED });
  const figure = id("plot-latency");
  const title = t("plot_latency", { n: Math.round(known.window_us / 1e6) });
  caption(figure.querySelector("figcaption"), title, curves);
  const mark = marks.at(-1);
  const note = mark && mark.t > view.t - 60e6 ? t("mark_ago", { what: mark.text, n: num((view.t - mark.t) / 1e6) }) : "";
  const summary = `${title}: ${curves[0].values.map(([p, us]) => `p${p} ${time(us)}`).join(", ")}`;
  percentiles(figure.querySelector("canvas"), { lines: curves, note, summary }, style);
  const rows = curves[0].values.map(([p], row) => [`p${p}`, ...curves.map((curve) => time(curve.values[row]?.[1]))]);
  table(figure, [t("percentile"), ...curves.map((curve) => curve.name)], rows);
}

function draw(name, title, unit, at, lines, marks) {
  const figure = id(name);
  const text = `${title}${unit && `, ${unit}`} · ${t("last", { n: 60 })}`;
  caption(figure.querySelector("figcaption"), text, lines);
  const value = (number) => (number == null ? "–" : num(number));
  const summary = `${text}: ${lines.map((line) => `${line.name} ${value(line.values.at(-1))}`).join(", ")}`;
  timeplot(figure.querySelector("canvas"), { at, now: view.t, lines, marks, summary }, style);
  const rows = [];
  for (let index = at.length - 1; index >= 0; index -= 4) {
    const changes = marks.filter((mark) => mark.t <= at[index] && mark.t > at[index] - 1e6).map((mark) => mark.text).join(", ");
    rows.push([t("ago", { n: num((view.t - at[index]) / 1e6) }), ...lines.map((line) => value(line.values[index])), changes]);
  }
  table(figure, [t("time"), ...lines.map((line) => line.name), t("change")], rows);
}

// Start.

function legend() {
  const pairs = (list, all) => {
    list.replaceChildren();
    for (const [term, text] of all) list.append(make("dt", term), make("dd", text));
  };
  const shapes = Object.entries(SHAPES).map(([name, shape]) => [`${shape} ${word(name, "state")}`, t(`means_${name}`)]);
  pairs(id("legend-marks"), [...shapes, ["●", t("means_moving")], ["▣", t("means_standing")], ["◌", t("means_ghost")], ["▂▅█", t("means_strip")], ["▼", t("means_mark")]]);
  pairs(id("legend-keys"), KEYS.map(([key, action]) => [shown(key), t(`key_${action}`)]));
}

async function translate(name) {
  await speak(name);
  id("language").value = name;
  for (const [button, key] of [["pause", "␣"], ["reset", "0"], ["report", "r"], ["ghost", "g"], ["policy", "p"], ["load-loop", "o"]]) id(button).title = t("key", { key });
  legend();
  refresh();
}

function wire() {
  const on = (name, kind, act) => id(name).addEventListener(kind, act);
  const pick = (name, act) => {
    let pointer = false;
    on(name, "pointerdown", () => { pointer = true; });
    // After a choice with the mouse, the keys work again.
    on(name, "change", () => { act(id(name).value); if (pointer) id(name).blur(); pointer = false; });
  };
  pick("policy", (value) => send({ do: "policy", policy: value }));
  pick("ghost", (value) => send(value ? { do: "ghost", policy: value } : { do: "ghost" }));
  pick("load-loop", (value) => load(0, value));
  pick("language", translate);
  for (const [name, unit] of [["rate", "/s"], ["clients", ""]]) {
    on(`load-${name}`, "input", () => { state.held = Date.now() + 2000; put(id(`${name}-out`), `${id(`load-${name}`).value}${unit}`); });
    on(`load-${name}`, "change", () => setLoad(name === "rate", Number(id(`load-${name}`).value)));
  }
  on("ghost-real", "click", ACTIONS.ghost_real);
  on("pause", "click", () => toggle("paused"));
  on("slow-motion", "click", () => toggle("slow"));
  on("reset", "click", ACTIONS.reset);
  on("legend", "click", ACTIONS.legend);
  on("legend-close", "click", ACTIONS.legend);
  on("secret-start", "click", () => {
    const any = (list) => list[Math.floor(Math.random() * list.length)];
    const backend = Number(id("secret-lane").value) || any(view.lanes).number;
    const kind = id("secret-kind").value || any(Object.keys(KINDS));
    send({ do: "secret", backend, fault: KINDS[kind] });
    id("secret").open = false;
  });
  on("secret-reveal", "click", () => { send({ do: "reveal" }); id("secret").open = false; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { style = readStyle(); });
  addEventListener("resize", () => { style = readStyle(); refresh(); });
  reduced.addEventListener("change", animate);
  listen(act);
}

let running = false;
function animate() {
  document.body.classList.toggle("still", reduced.matches);
  if (reduced.matches || running) return;
  running = true;
  const frame = () => {
    running = !reduced.matches;
    if (!running) return;
    advance();
    flow.draw(clock.head, style);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

wire();
await translate(LANGUAGES.includes(wanted()) ? wanted() : "en");
connect();
animate();
setInterval(refresh, 250);
