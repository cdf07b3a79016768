// The page: it reads the stream, keeps the model, and shows it four times a second.
import { Controls } from "./controls.js";
import { Flow } from "./flow.js";
import { KEYS, listen, shown } from "./keys.js";
import { Lanes, SHAPES, title } from "./lanes.js";
import { Model } from "./model.js";
import { plots } from "./plot.js";
import { Stream } from "./stream.js";
import { fit, id, make, num, put, rate, readStyle, seconds, speak, t, time, word } from "./strings.js";
import { Why } from "./why.js";

/** Ticks come 4 times a second: a longer silence is a problem. */
const QUIET_MS = 2000;
const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const model = new Model();
const news = [];
const flow = new Flow();
const why = new Why();
const stream = new Stream(apply);
const lanes = new Lanes((command) => controls.send(command));
const tell = (text) => { said = { text, until: performance.now() + 8000 }; };
const toggle = (what) => { stream.toggle(what); refresh(); };
const controls = new Controls(lanes, tell, toggle, translate);
let style = readStyle();
let said = null;
let view = null;

/** What tests look at. */
window.roundabout = {
  model,
  get view() { return view; },
  get frames() { return flow.frames; },
  get drawn() { return flow.drawn; },
  get events() { return stream.events; },
  get buffered() { return stream.buffer.length; },
};

function apply(event, time) {
  model.apply(event);
  flow.event(event, time);
  why.event(event);
  const { event: name, from, to, backend, cause } = event;
  if (name === "state" && from !== to) news.push(t("live", { b: backend, state: word("state", to), cause }));
}

function refresh() {
  stream.advance();
  banner();
  if (!stream.last) return;
  view = model.view();
  controls.show(view);
  totals();
  labels();
  ghostLine();
  status();
  lanes.show(view, style);
  why.show(view);
  plots(view, style);
  if (!reduced.matches) flow.place(view, lanes.rows);
}

function banner() {
  const { silent, broken, paused, slow, behind } = stream;
  const lost = Boolean(broken) || silent > QUIET_MS;
  const n = seconds((lost ? silent * 1000 : behind) || 0);
  let text = view?.problem ?? "";
  if (broken) text = t("broken", { at: broken, n });
  else if (lost) text = t("quiet", { n });
  else if (said?.until > performance.now()) text = said.text;
  else if (paused || slow) text = t(paused ? "paused" : "slowed", { n });
  else if (view?.secret) text = secret(view.secret);
  put(id("banner"), text);
  id("banner").hidden = !text;
  document.body.classList.toggle("stale", lost);
  id("pause").ariaPressed = paused;
  id("slow-motion").ariaPressed = slow;
}

function secret({ since, revealed }) {
  if (!revealed) return t("secret_runs", { n: seconds(view.t - since) });
  const { backend: b, fault: kind, after_us: after } = revealed;
  return view.t > since + after + 30e6 ? "" : t("revealed", { b, kind, after: time(after) });
}

/** The figures above the lanes. */
function totals() {
  const { totals: all, load } = view;
  const parts = {
    offered: rate(all.offered),
    good: rate(all.good),
    errors: rate(all.errors),
    retries: rate(all.retries) + (all.amplification ? ` (×${num(all.amplification, 2)})` : ""),
    imbalance: all.imbalance == null ? "–" : `×${num(all.imbalance, 2)}`,
    p50: time(load?.p50_us),
    p99: time(load?.p99_us),
    "in-flight": num(all.in_flight),
  };
  const boxes = fit(id("totals"), Object.keys(parts).length, () => {
    const box = make("span");
    box.append(make("small"), make("b"));
    return box;
  });
  Object.entries(parts).forEach(([name, text], index) => {
    const [label, value] = boxes[index].children;
    put(label, title(name, view));
    put(value, text);
    value.dataset.total = name;
    value.classList.toggle("alarm", name === "errors" && all.errors > 0);
  });
}

/** The words in the picture: the load, the weight of a dot, the policy. */
function labels() {
  const { totals: all, load, keys } = view;
  const closed = load?.control === "closed";
  const words = closed ? { n: Math.min(load.waiting, load.clients), of: load.clients } : { rate: num(load?.rate ?? 0) };
  put(id("source-load"), load ? t(closed ? "clients_wait" : "open_loop", words) : "");
  put(id("dot-weight"), t(all.one_in === 1 ? "dot" : "dots", { n: all.one_in }));
  const keyed = keys && /ring|maglev|rendezvous/.test(view.policy);
  put(id("lb-policy"), view.policy + (keyed ? `, ${t("keys", { n: keys.distinct, of: keys.of })}` : ""));
}

function ghostLine() {
  const { ghost } = view;
  id("ghost-line").hidden = !ghost;
  if (ghost) {
    const { policy, totals: { p50_us: p50, p99_us: p99, errors, in_flight: n }, agreement, covers_us: covers } = ghost;
    const sure = agreement == null ? t("agreement_soon") : t("agreement", { n: num(agreement), s: seconds(covers) });
    put(id("ghost-line"), `${t("ghost_line", { policy, p50: time(p50), p99: time(p99), errors: rate(errors), n })} ${sure}`);
  }
}

function status() {
  const chips = fit(id("settings"), view.settings.length, () => make("span"));
  chips.forEach((chip, at) => put(chip, view.settings[at]));
  const seed = view.seed == null ? "" : `${t("seed")} ${view.seed}`;
  put(id("status"), [controls.done, view.log.at(-1)?.text, seed].filter(Boolean).join(" · "));
}

async function translate(name) {
  await speak(name);
  id("language").value = name;
  hints();
  legend();
  refresh();
}

/** Writes the key of each button into its hint. */
function hints() {
  const keys = { pause: "␣", reset: "0", report: "r", ghost: "g", policy: "p", "load-loop": "o", why: "w" };
  for (const node in keys) id(node).title = t("key", { key: keys[node] });
}

/** Writes the signs of the page and the keys into the legend. */
function legend() {
  const list = (node, rows) => node.replaceChildren(...rows.flatMap(([term, text]) => [make("dt", term), make("dd", text)]));
  const shapes = Object.entries(SHAPES).map(([state, shape]) => [`${shape} ${word("state", state)}`, t(`means_${state}`)]);
  const others = Object.entries({ moving: "●", standing: "▣", ghost: "◌", strip: "▂▅█", mark: "▼" });
  list(id("legend-marks"), [...shapes, ...others.map(([mark, sign]) => [sign, t(`means_${mark}`)])]);
  list(id("legend-keys"), KEYS.map(([key, action]) => [shown(key), t(`key_${action}`)]));
}

let drawing = false;
/** Begins the loop of frames, which ends when the reader wants less motion. */
function animate() {
  document.body.classList.toggle("still", reduced.matches);
  if (reduced.matches || drawing) return;
  drawing = true;
  requestAnimationFrame(function frame() {
    stream.advance();
    flow.draw(stream.head, style);
    drawing = !reduced.matches;
    if (drawing) requestAnimationFrame(frame);
  });
}

const restyle = () => { style = readStyle(); refresh(); };
addEventListener("resize", restyle);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
reduced.addEventListener("change", animate);
listen((name, number) => controls.act(name, number));
const language = new URLSearchParams(location.search).get("lang");
await translate(language === "de" ? "de" : "en");
stream.connect();
animate();
setInterval(refresh, 250);
setInterval(() => news.length && put(id("live"), news.splice(0).slice(-3).join(" · ")), 1000);
