// The panel "why": the last decisions, and one of them in full.
import { fit, id, make, num, put, t, time } from "./strings.js";

const KEPT = 100;
const SHOWN = 7;
const SPECIAL = 3;

export class Why {
  decisions = new Map();
  special = [];
  chosen = null;
  json = false;
  list = id("why-list");
  text = id("why-text");

  constructor() {
    const button = (name, act) => id(name).addEventListener("click", () => { act(); this.show(); });
    button("why-sentence", () => { this.json = false; });
    button("why-json", () => { this.json = true; });
    button("why-follow", () => { this.chosen = null; });
    for (const kind of ["enter", "leave"]) this.list.addEventListener(`pointer${kind}`, () => { this.held = kind === "enter"; });
  }

  event(event) {
    if (event.event === "hello") [this.decisions, this.special] = [new Map(), []];
    if (event.event !== "why") return;
    this.decisions.set(event.id, event.decisions);
    if (this.decisions.size > KEPT) this.decisions.delete(this.decisions.keys().next().value);
  }

  /** Shows the last requests of a view. The list rests while a pointer or the focus is in it. */
  show(view = this.view) {
    this.view = view;
    const { decisions } = this;
    const explained = view.requests.filter((one) => decisions.has(one.id));
    const requests = explained.map((one) => ({ ...one, decisions: decisions.get(one.id) }));
    const is = (list, request) => list.some((one) => one.id === request.id);
    const bad = requests.filter((one) => (one.is_retried || one.status >= 500) && !is(this.special, one));
    this.special = [...this.special, ...bad].slice(-SPECIAL);
    const plain = requests.filter((one) => !is(this.special, one)).slice(-SHOWN);
    if (!this.held && !this.list.contains(document.activeElement)) this.fill([...plain, ...this.special].reverse());
    for (const [name, on] of [["sentence", !this.json], ["json", this.json], ["follow", !this.chosen]]) id(`why-${name}`).ariaPressed = on;
    for (const row of this.list.children) row.firstChild.ariaPressed = row.request.id === this.chosen?.id;
    const shown = this.chosen ?? requests.at(-1);
    // The newest explanation changes once a second: faster, it cannot be read.
    const key = [this.json, this.chosen?.id ?? Math.floor(view.t / 1e6), t("why")].join();
    if (!shown) put(this.text, t("no_decisions"));
    else if (key !== this.key) this.explain(shown);
    this.key = key;
  }

  fill(requests) {
    const rows = fit(this.list, requests.length, () => {
      const row = make("li");
      row.append(make("button"));
      row.firstChild.addEventListener("click", () => { this.chosen = row.request; this.show(); });
      return row;
    });
    rows.forEach((row, index) => {
      const request = row.request = requests[index];
      put(row.firstChild, `#${request.id} → ${request.route} · ${request.status} · ${time(request.total_us)}`);
      row.firstChild.className = this.special.includes(request) ? "special" : "";
    });
  }

  explain({ id: number, line, route, status, total_us: total, decisions }) {
    const say = (text, kind = "", tag = "p") => this.text.append(make(tag, text, { class: kind }));
    this.text.replaceChildren();
    say(`#${number} ${line} → ${route}: ${status}, ${time(total)}`, "title");
    if (this.json) return say(JSON.stringify({ id: number, decisions }, null, 1), "", "pre");
    for (const { hedge, attempt, policy, chosen, because, candidates = [], excluded = [], tries = [], left_out: more } of decisions) {
      say(`${t(hedge ? "hedge" : "attempt", { n: attempt, policy })} → ${chosen ? `B${chosen}` : t("none")}: ${because}`, "because");
      if (candidates.length) this.table(candidates, chosen);
      for (const one of excluded) say(t("excluded", { b: `B${one.backend}`, why: one.why }));
      if (more) say(t("left_out", { n: more }));
      for (const one of tries) say(t("try", { what: one.outcome, status: one.status ?? "", at: time(one.at_us) }));
    }
  }

  table(candidates, chosen) {
    const table = make("table");
    const row = (cells, tag, kind = "") => {
      const line = make("tr", "", { class: kind });
      line.append(...cells.map((cell) => make(tag, cell)));
      table.append(line);
    };
    const scored = candidates.some((one) => one.score != null);
    row(["", t("weight"), t("n_in-flight"), t("latency"), ...(scored ? [t("score")] : [])], "th");
    for (const { backend, weight, in_flight: count, latency_ms: ms = 0, score } of candidates) {
      const is = backend === chosen;
      const cells = [num(weight ?? 0), num(count ?? 0), time(ms * 1000)];
      if (scored) cells.push(score == null ? "–" : num(score, score % 1 ? 2 : 0));
      row([`B${backend}${is ? ` ${t("chosen")}` : ""}`, ...cells], "td", is ? "chosen" : "");
    }
    this.text.append(table);
  }
}
