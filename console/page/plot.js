// The plots: lines over the last 60 seconds, and the latency by percentile. Each has a table with the same numbers.
import { fit, make, num, put, t, time } from "./strings.js";

const SPAN = 60e6;

function begin(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = Math.min(devicePixelRatio, 2);
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** A round number above `value`: 1, 2 or 5 times a power of ten. */
export function above(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function axis({ pen, width }, style, lines, area) {
  pen.font = `${style.rem * 0.78}px system-ui, sans-serif`;
  pen.lineWidth = 1;
  for (const [y, text] of lines) {
    pen.strokeStyle = style.line;
    pen.beginPath();
    pen.moveTo(area.left, y);
    pen.lineTo(width, y);
    pen.stroke();
    pen.fillStyle = style.muted;
    pen.textAlign = "right";
    pen.fillText(text, area.left - 4, y + style.rem * 0.28);
  }
  pen.textAlign = "left";
}

/** Draws lines of values at the times `at`, and a marker for each change. `lines` = [{name, values, color, dash}]. */
export function timeplot(canvas, { at, now, lines, marks, summary }, style) {
  const drawn = begin(canvas);
  const { pen, width, height } = drawn;
  if (!width) return;
  const area = { left: style.rem * 2.6, top: style.rem * 2.4, bottom: height - style.rem * 1.1 };
  let most = 1;
  for (const { values } of lines) for (const value of values) most = Math.max(most, value);
  most = above(most);
  const x = (time) => area.left + (1 - (now - time) / SPAN) * (width - area.left - 4);
  const y = (value) => area.bottom - (value / most) * (area.bottom - area.top);
  axis(drawn, style, [0, most / 2, most].map((value) => [y(value), num(value, most < 2 ? 1 : 0)]), area);
  pen.fillStyle = style.muted;
  pen.fillText(t("ago", { n: 60 }), area.left, height - 2);
  pen.textAlign = "right";
  pen.fillText(t("now"), width - 2, height - 2);
  pen.textAlign = "left";
  markers(pen, marks.filter((mark) => mark.t > now - SPAN), x, area, width, style);
  pen.lineJoin = "round";
  for (const { values, color, dash } of lines) {
    pen.strokeStyle = color;
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    pen.beginPath();
    let open = false;
    values.forEach((value, index) => {
      if (value == null || at[index] < now - SPAN) { open = false; return; }
      pen[open ? "lineTo" : "moveTo"](x(at[index]), y(value));
      open = true;
    });
    pen.stroke();
  }
  pen.setLineDash([]);
  canvas.setAttribute("aria-label", summary);
}

function markers(pen, marks, x, area, width, style) {
  const free = [width, width];
  let last = width + 9;
  // The newest first: two rows of words have place for the newest, and the table has all.
  for (const mark of marks.toReversed()) {
    const at = x(mark.t);
    if (last - at < 3) continue;
    last = at;
    pen.strokeStyle = style.muted;
    pen.setLineDash([2, 3]);
    pen.beginPath();
    pen.moveTo(at, area.top - 2);
    pen.lineTo(at, area.bottom);
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = style.orange;
    pen.beginPath();
    pen.moveTo(at - 4, area.top - 7);
    pen.lineTo(at + 4, area.top - 7);
    pen.lineTo(at, area.top);
    pen.fill();
    const wide = pen.measureText(mark.text).width;
    const left = Math.min(at - 4, width - wide - 2);
    const row = free.findIndex((end) => left + wide < end);
    if (row < 0) continue;
    free[row] = left - 6;
    pen.fillStyle = style.text;
    pen.fillText(mark.text, left, area.top - 10 - row * style.rem * 0.85);
  }
}

/** Draws latencies by percentile on two logarithmic axes. `lines` = [{values: [[share, microseconds]], color, dash}]. */
export function percentiles(canvas, { lines, note, summary }, style) {
  const drawn = begin(canvas);
  const { pen, width, height } = drawn;
  if (!width) return;
  const area = { left: style.rem * 3.4, top: style.rem * 1.6, bottom: height - style.rem * 1.1 };
  const all = lines.flatMap((line) => line.values.map(([, us]) => us)).filter((us) => us > 0);
  const low = 10 ** Math.floor(Math.log10(Math.min(...all, 1e4)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...all, low * 10 + 1)));
  const nines = (percentile) => -Math.log10(1 - percentile / 100);
  const end = Math.max(99.9, ...lines.flatMap((line) => line.values.map(([percentile]) => percentile)));
  const [first, last] = [nines(50), nines(end)];
  const x = (share) => area.left + ((nines(share) - first) / (last - first)) * (width - area.left - style.rem * 1.4);
  const y = (us) => area.bottom - (Math.log10(us / low) / Math.log10(high / low)) * (area.bottom - area.top);
  const levels = [];
  for (let us = low; us <= high * 1.01; us *= 10) levels.push([y(us), time(us).replace(/[.,]0+ /, " ")]);
  axis(drawn, style, levels, area);
  pen.fillStyle = style.muted;
  pen.textAlign = "center";
  for (const share of [50, 90, 99, 99.9, 99.99]) if (share <= end) pen.fillText(`p${share}`, x(share), height - 2);
  pen.textAlign = "right";
  pen.fillStyle = style.orange;
  pen.fillText(note, width - 2, style.rem * 0.85);
  pen.textAlign = "left";
  for (const { values, color, dash } of lines) {
    pen.strokeStyle = pen.fillStyle = color;
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    pen.beginPath();
    const known = values.filter(([, us]) => us > 0);
    known.forEach(([share, us], index) => pen[index ? "lineTo" : "moveTo"](x(share), y(us)));
    pen.stroke();
    pen.setLineDash([]);
    for (const [share, us] of known) pen.fillRect(x(share) - 2, y(us) - 2, 4, 4);
  }
  canvas.setAttribute("aria-label", summary);
}

/** The names of the lines, each with a piece of its line. */
export function caption(node, title, lines) {
  const parts = fit(node, lines.length + 1, () => make("span"));
  put(parts[0], title);
  lines.forEach(({ name, color, dash }, index) => {
    const part = parts[index + 1];
    put(part, name);
    part.className = dash.length ? (dash[0] > 2 ? "key dashed" : "key dotted") : "key";
    part.style.setProperty("--key", color);
  });
}

/** Writes a table, if it is open: `head` is a row of words, `rows` are rows of words. */
export function table(figure, head, rows) {
  if (!figure.querySelector("details").open) return;
  const lines = fit(figure.querySelector("table"), rows.length + 1, () => make("tr"));
  [head, ...rows].forEach((cells, row) => {
    const nodes = fit(lines[row], cells.length, (column) => make(row && column ? "td" : "th", "", row && column ? {} : { scope: row ? "row" : "col" }));
    cells.forEach((text, column) => put(nodes[column], text));
  });
}
