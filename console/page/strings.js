// The words of the page in the chosen language, how numbers are written, and small helpers for nodes.

let words = {};
let language = "en";
const formats = {};
export const id = (name) => document.getElementById(name);

/** Loads the words of a language, and writes them into the page. */
export async function speak(name) {
  words = await (await fetch(`/page/strings/${name}.json`)).json();
  language = document.documentElement.lang = name;
  for (const node of document.querySelectorAll("[data-t]")) put(node, t(node.dataset.t));
}

/** The words for a key; `{name}` in them becomes the value with that name. */
export const t = (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
/** A word that a program sent, in the chosen language if the page knows it. */
export const word = (group, name) => words[`${group}_${name}`] ?? name;

/** A number with this many digits after the point. */
export function num(value, digits = 0) {
  const limits = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  // A format is slow to make.
  formats[language + digits] ??= new Intl.NumberFormat(language, limits);
  return formats[language + digits].format(value);
}
export const percent = (part, digits = 1) => (part == null ? "–" : `${num(part * 100, digits)} %`);
export const rate = (value) => `${num(value, value < 10 ? 1 : 0)}/s`;
/** A time in microseconds. */
export function time(us) {
  if (us == null) return "–";
  return us < 1e6 ? `${num(us / 1e3, us < 1e4 ? 1 : 0)} ms` : `${num(us / 1e6, us < 1e7 ? 2 : 1)} s`;
}
export const seconds = (us) => num(us / 1e6);

/** Sets the text of a node, only if it is another one. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A new element with a text and attributes. */
export function make(tag, text = "", attributes = {}) {
  const node = document.createElement(tag);
  node.textContent = text;
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  return node;
}

/** The children of a list become `count`, and those that are there stay. */
export function fit(list, count, create) {
  while (list.children.length > count) list.lastChild.remove();
  while (list.children.length < count) list.append(create(list.children.length));
  return [...list.children];
}

/** A canvas of its size in the page: `[pen, width, height]`. */
export function canvas(node) {
  const { clientWidth: width, clientHeight: height } = node;
  const scale = Math.min(devicePixelRatio, 2);
  const size = [Math.round(width * scale), Math.round(height * scale)];
  if (node.width !== size[0] || node.height !== size[1]) [node.width, node.height] = size;
  const pen = node.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

/** Draws straight lines through points. */
export function path(pen, points, color, width = 2, dash = []) {
  pen.strokeStyle = color;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.beginPath();
  for (const [x, y, begin] of points) pen[begin ? "moveTo" : "lineTo"](x, y);
  pen.stroke();
}

/** The colours and the size of letters, from the style sheet. */
export function readStyle() {
  const read = getComputedStyle(document.documentElement);
  const color = (name) => read.getPropertyValue(`--${name}`).trim();
  const style = { rem: parseFloat(read.fontSize), lanes: [..."abcd"].map((name) => color(`lane-${name}`)) };
  for (const name of ["blue", "orange", "red", "text", "muted", "line", "panel", "young", "mid", "old"]) style[name] = color(name);
  return style;
}
