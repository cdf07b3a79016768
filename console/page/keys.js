// The keys, and what each of them does.

/** Key, action, and the key of its words; the hints and the legend come from this table. */
export const KEYS = [
  ["1-9", "lane"], ["ArrowUp", "before"], ["ArrowDown", "after"],
  ["k", "kill"], ["s", "stop"], ["l", "slow"], ["e", "errors"], ["d", "drain"], ["h", "heal"],
  ["0", "reset"], ["p", "policy"], ["P", "policy_back"], ["g", "ghost"], ["Enter", "ghost_real"],
  ["+", "more"], ["-", "less"], ["o", "loop"], [" ", "pause"], ["r", "report"], ["w", "why"], ["?", "legend"],
  ["Escape", "leave"],
];
const SAME = { "=": "+", "_": "-" };
const ACTIONS = new Map(KEYS.map(([key, action]) => [key, action]));

/** How a key is written in a hint. */
export const shown = (key) => ({ ArrowUp: "↑", ArrowDown: "↓", Enter: "⏎", " ": "␣", Escape: "Esc" })[key] ?? key;

/** The action of a key press as `[action, lane]`; nothing where the key belongs to the focused control. */
export function action(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return null;
  const tag = target.tagName;
  const types = tag === "SELECT" || tag === "TEXTAREA" || target.isContentEditable
    || (tag === "INPUT" && target.type !== "range");
  if (key === "Escape") return ["leave"];
  if (types || document.querySelector("dialog[open]")) return key === "?" && !types ? ["legend"] : null;
  // A focused button takes space and Enter, a focused range takes the arrows.
  if ((key === " " || key === "Enter") && target.closest("button, a, summary")) return null;
  if (key.startsWith("Arrow") && tag === "INPUT") return null;
  if (/^[1-9]$/.test(key)) return ["lane", Number(key)];
  const name = ACTIONS.get(SAME[key] ?? key);
  return name ? [name] : null;
}

/** Listens to the keyboard. */
export function listen(act) {
  addEventListener("keydown", (event) => {
    const found = action(event);
    if (!found || (event.repeat && !["before", "after", "more", "less"].includes(found[0]))) return;
    if (found[0] !== "leave") event.preventDefault();
    act(...found);
  });
}
