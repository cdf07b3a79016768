// The panel "why": the last decisions, and one of them in full.
import { fit, make, num, put, t, time } from "./strings.js";

const KEPT = 100;
const SHOWN = 7;
const SPECIAL = 3;

export class Why {
  constructor() {
    const id = (name) => document.getElementById(name);
    Object.assign(this, { text: id("why-text"), list: id("why-list"), decisions: new Map(), special: [] });
    Object.assign(this, { chosen: null, json: false, shown: "" });
    const button = (name, act) => id(name).addEventListener("click", () => { act(); this.press(); });
    button("why-sentence", () => { this.json = false; });
    button("why-json", () => { this.json = true; });
    button("why-follow", () => { this.chosen = null; });
    this.list.addEventListener("pointerenter", () => { this.held = true; });
    this.list.addEventListener("pointerleave", () => { this.held = false; });
    this.press();
  }

  press() {
    const on = (name, is) => document.getElementById(name).setAttribute("aria-pressed", is);
    on("why-sentence", !this.json);
    on("why-json", this.json);
    on("why-follow", this.chosen == null);
    if (this.view) this.show(this.view);
  }

  event(event) {
    if (event.event === "hello") { this.decisions.clear(); this.special = []; }
    if (event.event !== "why") return;
    this.decisions.set(event.id, event.decisions);
    if (this.decisions.size > KEPT) this.decisions.delete(this.decisions.keys().next().value);
  }

  /** Shows the last requests of a view. The list rests while a pointer or the focus is in it. */
  show(view) {
    this.view = view;
    const explained = view.requests.filter((request) => this.decisions.has(request.id));
    const requests = explained.map((request) => ({ ...request, decisions: this.decisions.get(request.id) }));
    for (const request of requests) {
      const is = request.is_retried || request.status >= 500;
      if (is && !this.special.some((one) => one.id === request.id)) this.special.push(request);
    }
    this.special = this.special.slice(-SPECIAL);
    const plain = requests.filter((one) => !this.special.some((other) => other.id === one.id)).reverse().slice(0, SHOWN);
    if (!this.held && !this.list.contains(document.activeElement)) this.fill([...this.special].reverse(), plain);
    const shown = this.chosen ?? requests.at(-1);
    // The newest explanation changes once a second: faster, it cannot be read.
    const second = this.chosen ? "" : Math.floor(view.t / 1e6);
    const key = `${this.json} ${this.chosen?.id} ${second} ${t("why")}`;
    if (key !== this.shown && shown) {
      this.shown = key;
      this.explain(shown);
    }
    if (!requests.length) put(this.text, t("no_decisions"));
  }

  fill(special, plain) {
    const all = [...special, ...plain];
    const rows = fit(this.list, all.length, (index) => {
      const row = make("li");
      row.append(make("button", "", { type: "button" }));
      row.firstChild.addEventListener("click", () => {
        this.chosen = this.rows[index];
        this.press();
      });
      return row;
    });
    this.rows = all;
    all.forEach((request, index) => {
      const button = rows[index].firstChild;
      put(button, `#${request.id} → ${request.route} · ${request.status} · ${time(request.total_us)}`);
      button.classList.toggle("special", index < special.length);
      button.setAttribute("aria-pressed", this.chosen?.id === request.id);
    });
  }

  explain(request) {
    this.text.replaceChildren();
    const say = (tag, text, kind) => this.text.append(make(tag, text, kind ? { class: kind } : {}));
    say("p", `#${request.id} ${request.line} → ${request.route}: ${request.status}, ${time(request.total_us)}`, "title");
    if (this.json) return say("pre", JSON.stringify({ id: request.id, decisions: request.decisions }, null, 1));
    for (const decision of request.decisions) this.decision(decision, say);
  }

  decision(decision, say) {
    const kind = t(decision.hedge ? "hedge" : "attempt", { n: decision.attempt, policy: decision.policy });
    say("p", `${kind} → ${decision.chosen ? `B${decision.chosen}` : t("none")}: ${decision.because}`, "because");
    if (decision.candidates?.length) {
      const table = make("table");
      const row = (cells, tag) => {
        const line = make("tr");
        cells.forEach((cell) => line.append(make(tag, cell)));
        table.append(line);
        return line;
      };
      const scored = decision.candidates.some((one) => one.score != null);
      row(["", t("weight"), t("n_in-flight"), t("latency"), ...(scored ? [t("score")] : [])], "th");
      for (const one of decision.candidates) {
        const chosen = one.backend === decision.chosen;
        const score = scored ? [one.score == null ? "–" : num(one.score, one.score % 1 ? 2 : 0)] : [];
        const cells = [`B${one.backend}${chosen ? ` ${t("chosen")}` : ""}`, String(one.weight), String(one.in_flight), `${num(one.latency_ms, 1)} ms`, ...score];
        row(cells, "td").className = chosen ? "chosen" : "";
      }
      this.text.append(table);
    }
    for (const one of decision.excluded ?? []) say("p", t("excluded", { b: `B${one.backend}`, why: one.why }));
    if (decision.left_out) say("p", t("left_out", { n: decision.left_out }));
    for (const one of decision.tries ?? []) {
      say("p", t("try", { what: one.outcome, status: one.status ?? "", at: time(one.at_us) }), "try");
    }
  }
}
