// Shows the last events of the lab.
const shown = document.getElementById("events");
const lines = [];
const events = new EventSource("/events");
for (const name of ["hello", "state", "fault", "control", "load", "req", "gap"]) {
  events.addEventListener(name, (event) => {
    lines.push(`${name} ${event.data}`);
    shown.textContent = lines.splice(0, Math.max(0, lines.length - 40)) && lines.join("\n");
  });
}
