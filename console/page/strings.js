// The words of the page in the chosen language, and how numbers are written.

export const LANGUAGES = ["en", "de"];
let words = {};
let format = new Map();
export let language = "en";

/** The language of the address (`?lang=de`), or of the last choice; English otherwise. */
export function wanted() {
  const asked = new URLSearchParams(location.search).get("lang");
  return LANGUAGES.includes(asked) ? asked : "en";
}

/** Loads the words of a language, and writes them into the page. */
export async function speak(name) {
  const answer = await fetch(`/page/strings/${name}.json`);
  if (!answer.ok) throw new Error(`the words of ${name}: status ${answer.status}`);
  words = await answer.json();
  language = name;
  format = new Map();
  document.documentElement.lang = name;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
}

/** The words for a key; `{name}` in them becomes the value with that name. */
export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** A word that a program sent, in the chosen language if the page knows it. */
export const word = (name, group) => words[`${group}_${name}`] ?? name;

/** A number with this many digits after the point. */
export function num(value, digits = 0) {
  if (!format.has(digits)) {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    format.set(digits, new Intl.NumberFormat(language, options));
  }
  return format.get(digits).format(value);
}

export const percent = (part, digits = 1) => (part == null ? "–" : `${num(part * 100, digits)} %`);
export const rate = (value) => `${num(value, value < 10 ? 1 : 0)}/s`;

/** A time in microseconds, with the unit that fits. */
export function time(us) {
  if (us == null) return "–";
  if (us >= 1e6) return `${num(us / 1e6, us < 1e7 ? 2 : 1)} s`;
  return `${num(us / 1e3, us < 1e4 ? 1 : 0)} ms`;
}

/** Sets the text of a node, only if it is another one. */
export function put(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

/** A new element with a text and attributes. */
export function make(tag, text = "", attributes = {}) {
  const node = document.createElement(tag);
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** The children of a list become exactly `count`, without new nodes for those that are there. */
export function fit(list, count, create) {
  while (list.children.length > count) list.lastChild.remove();
  while (list.children.length < count) list.append(create(list.children.length));
  return [...list.children];
}
