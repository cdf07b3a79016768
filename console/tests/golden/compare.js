// Compares the model in JavaScript with the views of the model in Rust. Node and a browser run it.

/** The first place at which two JSON values differ, in words, or `null`. */
export function difference(found, expected, path = "view") {
  const isObject = (value) => typeof value === "object" && value !== null;
  if (!isObject(found) || !isObject(expected) || Array.isArray(found) !== Array.isArray(expected)) {
    const say = (value) => String(JSON.stringify(value)).slice(0, 200);
    return Object.is(found, expected) ? null : `${path} is ${say(found)} in JavaScript, and ${say(expected)} in Rust`;
  }
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    const told = difference(found[name], expected[name], `${path}.${name}`);
    if (told) return told;
  }
  return null;
}

/**
 * Feeds events to a new model. After each `every` events and at the end, its view is compared with the next
 * of the expected ones. Returns the first difference in words, or `null`.
 */
export function compare(Model, events, every, views) {
  const model = new Model();
  let next = 0;
  for (const [n, event] of events.entries()) {
    model.apply(event);
    if ((n + 1) % every !== 0 && n + 1 !== events.length) continue;
    // As JSON, because an undefined field is no field.
    const view = JSON.parse(JSON.stringify(model.view()));
    const told = difference(view, views[next]);
    if (told) return `after ${n + 1} events: ${told}`;
    next += 1;
  }
  return next === views.length ? null : `${next} views in JavaScript, and ${views.length} in Rust`;
}
