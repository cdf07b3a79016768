// The controls: commands to the lab, menus, ranges and buttons.
import { id, make, num, t } from "./strings.js";

const RATES = [10, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300];
const CLIENTS = [1, 2, 4, 6, 8, 10, 12, 16, 24, 32];
const SECRETS = {
  slow: { kind: "latency", fixed: "400ms" },
  errors: { kind: "status", code: 503 },
  some_errors: { kind: "status", code: 503, percent: 30 },
  resets: { kind: "reset", percent: 30 },
  stall: { kind: "stall", percent: 20 },
};

const tokenOf = (page) => page.querySelector("meta[name=token]").content;

export class Controls {
  view = null;
  done = "";
  held = 0;
  token = tokenOf(document);
  queue = Promise.resolve();

  /** `tell` shows what went wrong, `toggle` switches pause and slow motion. */
  constructor(lanes, tell, toggle, translate) {
    Object.assign(this, { lanes, tell, toggle });
    const on = (name, kind, act) => id(name).addEventListener(kind, () => act(id(name).value));
    const pick = (name, act) => {
      let pointer = false;
      on(name, "pointerdown", () => { pointer = true; });
      // After a choice with the mouse, the keys work again.
      on(name, "change", (value) => { act(value); if (pointer) id(name).blur(); pointer = false; });
    };
    pick("policy", (policy) => this.send({ do: "policy", policy }));
    pick("ghost", (policy) => this.ghost(policy));
    pick("load-loop", (loop) => this.load(0, loop));
    pick("language", translate);
    for (const [name, loop] of [["load-rate", "open"], ["load-clients", "closed"]]) {
      on(name, "input", (value) => { this.held = Date.now() + 2000; this.print(name, value); });
      on(name, "change", (value) => this.shape(loop, Number(value)));
    }
    for (const button of document.querySelectorAll("[data-act]")) button.addEventListener("click", () => this.act(button.dataset.act));
  }

  /** Sends a command after those before it: two keys in a row act in their order. */
  send(command) {
    this.queue = this.queue.then(() => this.post(command)).catch((error) => this.tell(t("not_sent", { why: error.message })));
  }

  async post(command, again = true) {
    const headers = { "Content-Type": "application/json", "x-console-token": this.token };
    const answer = await fetch("/commands", { method: "POST", headers, body: JSON.stringify(command) });
    if (answer.status === 403 && again) {
      // A server that has started again has a page with a new token.
      const page = await (await fetch("/")).text();
      this.token = tokenOf(new DOMParser().parseFromString(page, "text/html"));
      return this.post(command, false);
    }
    const { done, error } = await answer.json();
    this.done = error ? "" : t("done", { what: done });
    if (error) this.tell(error);
  }

  /** Does what a key or a button means. */
  act(name, number) {
    const { view, lanes } = this;
    if (!view) return;
    const numbers = [...lanes.rows.keys()].sort((a, b) => a - b);
    const others = ["", ...view.policies.filter((policy) => policy !== view.policy)];
    const policy = (step) => {
      const { policies } = view;
      this.send({ do: "policy", policy: policies.at((policies.indexOf(view.policy) + step) % policies.length) });
    };
    const actions = {
      lane: () => lanes.choose(number),
      before: () => lanes.choose(numbers.findLast((one) => one < lanes.chosen)),
      after: () => lanes.choose(numbers.find((one) => one > lanes.chosen)),
      reset: () => this.send({ do: "reset" }),
      policy: () => policy(1),
      policy_back: () => policy(-1),
      ghost: () => this.ghost(others[others.indexOf(view.ghost?.policy ?? "") + 1]),
      ghost_real: () => view.ghost && this.send({ do: "policy", policy: view.ghost.policy }),
      more: () => this.load(1),
      less: () => this.load(-1),
      loop: () => this.load(0, view.load?.control === "open" ? "closed" : "open"),
      pause: () => this.toggle("paused"),
      slow_motion: () => this.toggle("slow"),
      secret: () => this.secret(),
      reveal: () => this.close({ do: "reveal" }),
      report: () => id("report").click(),
      why: () => id("why").focus(),
      legend: () => id("legend-box")[id("legend-box").open ? "close" : "showModal"](),
      leave: () => { this.close(); document.activeElement?.blur(); },
    };
    if (actions[name]) actions[name]();
    else lanes.press(lanes.chosen, name);
  }

  ghost(policy) {
    this.send(policy ? { do: "ghost", policy } : { do: "ghost" });
  }

  /** More load, less load, or the same in another loop. */
  load(step, loop = this.view.load?.control) {
    const { rate, clients } = this.view.load ?? {};
    const [steps, now] = loop === "open" ? [RATES, rate] : [CLIENTS, clients];
    const next = step > 0 ? steps.find((one) => one > now) : steps.findLast((one) => one < now);
    // The lab tells nothing of the loop that is not in force.
    this.shape(loop, (step ? next : now) || now || (loop === "open" ? 100 : 8));
  }

  shape(loop, value) {
    this.send({ do: "load", loop, [loop === "open" ? "rate" : "clients"]: value });
  }

  secret() {
    const any = (list) => list[Math.floor(Math.random() * list.length)];
    const backend = Number(id("secret-lane").value || any(this.view.lanes).number);
    this.close({ do: "secret", backend, fault: SECRETS[id("secret-kind").value || any(Object.keys(SECRETS))] });
  }

  /** Closes the menu of the secret, and sends a command if there is one. */
  close(command) {
    id("secret").open = false;
    if (command) this.send(command);
  }

  print(name, value) {
    id(`${name}-out`).value = name === "load-rate" ? `${num(Number(value))}/s` : num(Number(value));
  }

  /** Shows the present settings of a view. */
  show(view) {
    this.view = view;
    const fill = (name, values, chosen = id(name).value) => {
      const select = id(name);
      const key = values.join();
      if (select.key !== key) select.replaceChildren(...values.map(([value, text]) => make("option", text, { value })));
      if (document.activeElement !== select || select.key !== key) select.value = chosen;
      select.key = key;
    };
    const names = view.policies.map((name) => [name, name]);
    fill("policy", names, view.policy);
    fill("ghost", [["", t("off")], ...names], view.ghost?.policy ?? "");
    fill("secret-lane", [["", t("any")], ...view.lanes.map(({ number }) => [number, `B${number}`])]);
    fill("secret-kind", [["", t("any")], ...Object.keys(SECRETS).map((kind) => [kind, t(`kind_${kind}`)])]);
    id("ghost-real").disabled = !view.ghost;
    id("secret-reveal").disabled = !view.secret || Boolean(view.secret.revealed);
    const { load } = view;
    if (!load || Date.now() < this.held) return;
    if (document.activeElement !== id("load-loop")) id("load-loop").value = load.control;
    id("rate-box").hidden = load.control !== "open";
    id("clients-box").hidden = load.control === "open";
    for (const [name, value] of [["load-rate", load.rate], ["load-clients", load.clients]]) {
      id(name).max = Math.max(id(name).max, value);
      id(name).value = value;
      this.print(name, value);
    }
  }
}
