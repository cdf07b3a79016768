// The keys: what each of them does. The hints and the legend come from this table too.

const ROWS = [
  "1-9 lane,ArrowUp before,ArrowDown after,k kill,s stop,l slow,e errors,d drain,h heal,0 reset,p policy,P policy_back",
  "g ghost,Enter ghost_real,+ more,- less,o loop,Space pause,r report,w why,? legend,Escape leave",
];
export const KEYS = ROWS.join().split(",").map((row) => row.split(" "));
const SHOWN = { ArrowUp: "↑", ArrowDown: "↓", Enter: "⏎", Space: "␣", Escape: "Esc" };
const SAME = { "=": "+", "_": "-", " ": "Space" };

/** How the key of an action is written. */
export const shown = (key) => SHOWN[key] ?? key;

/** The action of a key press as `[action, lane]`; nothing where the key belongs to the focused control. */
function action({ key, target, ctrlKey, altKey, metaKey }) {
  if (ctrlKey || altKey || metaKey) return null;
  if (key === "Escape") return ["leave"];
  if (!target.closest) return null;
  const range = target.type === "range";
  if (target.closest("select, textarea, input") && !range) return null;
  if (document.querySelector("dialog[open]")) return key === "?" ? ["legend"] : null;
  // A focused button takes space and Enter, a focused range takes the arrows.
  if ((key === " " || key === "Enter") && target.closest("button, a, summary")) return null;
  if (range && key.startsWith("Arrow")) return null;
  if (/^[1-9]$/.test(key)) return ["lane", Number(key)];
  const found = KEYS.find(([one]) => one === (SAME[key] ?? key));
  return found && [found[1]];
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
