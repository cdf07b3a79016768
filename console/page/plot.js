// The plots: lines over the last 60 seconds, and the latency by percentile. Each has a table with the same numbers.
import { canvas, fit, id, make, num, path, put, seconds, t, time } from "./strings.js";

const SPAN = 60e6;
const [SOLID, DASHED, DOTTED] = [[], [7, 4], [2, 3]];

for (const figure of document.querySelectorAll("figure")) figure.append(id("plot").content.cloneNode(true));

/** A round number above `value`: 1, 2 or 5 times a power of ten. */
function above(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function write(pen, text, x, y, color, align = "left") {
  pen.fillStyle = color;
  pen.textAlign = align;
  pen.fillText(text, x, y);
}

/** An empty plot: `[pen, width, height, area]`. */
function begin(figure, style, left, top) {
  const [pen, width, height] = canvas(figure.querySelector("canvas"));
  pen.font = `${style.rem * 0.78}px system-ui, sans-serif`;
  return [pen, width, height, { left: style.rem * left, top: style.rem * top, bottom: height - style.rem * 1.1 }];
}

function level(pen, y, text, area, width, style) {
  path(pen, [[area.left, y, true], [width, y]], style.line, 1);
  write(pen, text, area.left - 4, y + style.rem * 0.28, style.muted, "right");
}

/** Lines of values at the times `at`, and a marker for each change. */
function timeplot(figure, { at, now, lines, marks }, style) {
  const [pen, width, height, area] = begin(figure, style, 2.6, 2.4);
  const most = above(Math.max(...lines.flatMap(({ values }) => values), 1));
  const x = (time) => area.left + (1 - (now - time) / SPAN) * (width - area.left - 4);
  const y = (value) => area.bottom - (value / most) * (area.bottom - area.top);
  for (const value of [0, most / 2, most]) level(pen, y(value), num(value, value % 1 ? 1 : 0), area, width, style);
  write(pen, t("ago", { n: 60 }), area.left, height - 2, style.muted);
  write(pen, t("now"), width - 2, height - 2, style.muted, "right");
  // The newest words first: two rows have place for them, and the table has all.
  const free = [width, width];
  let last = width + 9;
  for (const mark of marks.toReversed()) {
    const place = x(mark.t);
    if (mark.t < now - SPAN || last - place < 3) continue;
    last = place;
    path(pen, [[place, area.top, true], [place, area.bottom]], style.muted, 1, DOTTED);
    write(pen, "▼", place, area.top, style.orange, "center");
    const wide = pen.measureText(mark.text).width;
    const left = Math.min(place - 4, width - wide - 2);
    const row = free.findIndex((end) => left + wide < end);
    if (row < 0) continue;
    free[row] = left - 6;
    write(pen, mark.text, left, area.top - (0.9 + row * 0.85) * style.rem, style.text);
  }
  for (const { values, color, dash } of lines) {
    let open = false;
    const points = values.map((value, index) => {
      const point = value != null && [x(at[index]), y(value), !open];
      open = Boolean(point);
      return point;
    });
    path(pen, points.filter(Boolean), color, 2, dash);
  }
}

/** Latencies by percentile on two logarithmic axes; `values` are pairs of a percentile and microseconds. */
function percentiles(figure, lines, note, style) {
  const [pen, width, height, area] = begin(figure, style, 3.4, 1.6);
  const all = lines.flatMap(({ values }) => values);
  const times = all.map(([, us]) => us).filter(Boolean);
  const low = Math.floor(Math.log10(Math.min(...times, 1e4)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...times, 1))));
  const nines = (percentile) => Math.log10(100 - percentile);
  const end = Math.max(99.9, ...all.map(([percentile]) => percentile));
  const x = (percentile) => area.left + ((nines(50) - nines(percentile)) / (nines(50) - nines(end))) * (width - area.left - style.rem * 1.4);
  const y = (us) => area.bottom - ((Math.log10(us) - low) / (high - low)) * (area.bottom - area.top);
  for (let power = low; power <= high; power++) level(pen, y(10 ** power), time(10 ** power).replace(/[.,]0+ /, " "), area, width, style);
  for (const one of [50, 90, 99, 99.9, 99.99]) if (one <= end) write(pen, `p${one}`, x(one), height - 2, style.muted, "center");
  write(pen, note, width - 2, style.rem * 0.85, style.orange, "right");
  for (const { values, color, dash } of lines) {
    const points = values.filter(([, us]) => us).map(([percentile, us], index) => [x(percentile), y(us), !index]);
    path(pen, points, color, 2, dash);
    pen.fillStyle = color;
    for (const [left, top] of points) pen.fillRect(left - 2, top - 2, 4, 4);
  }
}

/** The words around a plot: its title, the names of its lines, and its table if that is open; a row is a function. */
function words(figure, title, lines, head, rows) {
  const names = fit(figure.querySelector("figcaption"), lines.length + 1, () => make("span"));
  put(names[0], title);
  lines.forEach(({ name, color, dash }, index) => {
    put(names[index + 1], name);
    names[index + 1].className = `key ${dash === DASHED ? "dashed" : dash === DOTTED ? "dotted" : ""}`;
    names[index + 1].style.setProperty("--key", color);
  });
  const newest = rows[0]?.() ?? [];
  const summary = head.map((name, column) => `${name} ${newest[column] ?? ""}`).join(", ");
  figure.querySelector("canvas").ariaLabel = `${title}: ${summary}`;
  if (!figure.querySelector("details").open) return;
  const all = [head, ...rows.map((row) => row())];
  fit(figure.querySelector("table"), all.length, () => make("tr")).forEach((line, row) => {
    const cell = (column) => (row && column ? make("td") : make("th", "", { scope: row ? "row" : "col" }));
    fit(line, all[row].length, cell).forEach((node, column) => put(node, all[row][column]));
  });
}

const line = (name, color, dash, values) => ({ name, color, dash, values });

/** Draws the three plots of a view. */
export function plots(view, style) {
  const { series: { points }, marks, percentiles: known, t: now } = view;
  const at = points.map((point) => point.t);
  const value = (number) => (number == null ? "–" : num(number));
  const draw = (name, lines) => {
    const title = `${t(name)} · ${t("last", { n: 60 })}`;
    // One row a second, the newest first.
    const rows = at.filter((_, index) => (at.length - 1 - index) % 4 === 0).reverse().map((end) => () => {
      const changes = marks.filter((mark) => mark.t <= end && mark.t > end - 1e6).map((mark) => mark.text);
      const values = lines.map((line) => value(line.values[at.indexOf(end)]));
      return [t("ago", { n: seconds(now - end) }), ...values, changes.join(", ")];
    });
    words(id(name), title, lines, [t("time"), ...lines.map((line) => line.name), t("change")], rows);
    timeplot(id(name), { at, now, lines, marks }, style);
  };
  const { muted, blue, red, orange } = style;
  draw("plot-rate", [["offered", muted, DASHED], ["good", blue, SOLID], ["errors", red, SOLID], ["tries", orange, DOTTED]]
    .map(([name, color, dash]) => line(t(`n_${name}`), color, dash, points.map((point) => point[name]))));
  draw("plot-flight", view.lanes.slice(0, 8).map(({ number }, index) => {
    const values = points.map((point) => point.in_flight[index]);
    return line(`B${number}`, style.lanes[index % 4], [SOLID, DASHED, DOTTED][index % 3], values);
  }));
  const curves = [line(t("corrected"), blue, SOLID, known.corrected), line(t("uncorrected"), muted, DOTTED, known.uncorrected)];
  if (view.ghost) curves.push(line(t("would_be", { policy: view.ghost.policy }), orange, DASHED, known.ghost));
  const rows = curves[0].values.map(([p]) => () => {
    const times = curves.map(({ values }) => time(values.find(([one]) => one === p)?.[1]));
    return [`p${p}`, ...times];
  });
  const title = `${t("plot-latency")} · ${t("last", { n: seconds(known.window_us) })}`;
  words(id("plot-latency"), title, curves, [t("percentile"), ...curves.map((curve) => curve.name)], rows);
  const mark = marks.at(-1);
  percentiles(id("plot-latency"), curves, mark ? `▼ ${mark.text}, ${t("ago", { n: seconds(now - mark.t) })}` : "", style);
}
