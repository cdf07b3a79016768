// The stream of events, and the playhead: for a pause and for slow motion, the page keeps the events back.

const NAMES = "hello tick state probe fault control load req why ghost gap".split(" ");
const KEPT = 60_000;

export class Stream {
  /** `apply` takes an event and its time. */
  constructor(apply) {
    Object.assign(this, { apply, paused: false, slow: false, buffer: [], events: 0, broken: "" });
    Object.assign(this, { last: 0, head: 0, at: 0, lag: null, heard: null });
  }

  connect() {
    const source = new EventSource("/events");
    for (const name of NAMES) source.addEventListener(name, (message) => this.receive(JSON.parse(message.data)));
    source.onopen = () => { this.broken = ""; };
    source.onerror = () => {
      this.broken ||= new Date().toLocaleTimeString();
      // The browser tries again by itself, except after an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), 1000);
    };
  }

  get held() { return this.paused || this.slow; }
  /** Microseconds between the newest moment and the one that is shown. */
  get behind() { return performance.now() * 1000 - this.lag - this.head; }
  /** Milliseconds since the last event. */
  get silent() { return this.heard === null ? 0 : performance.now() - this.heard; }

  receive(event) {
    this.events += 1;
    this.heard = performance.now();
    if (event.event === "hello") [this.lag, this.last] = [null, 0];
    this.last = Math.max(this.last, event.t ?? event.tick?.t ?? 0);
    // The tick that took the shortest way tells the offset of the two clocks.
    const lag = this.heard * 1000 - this.last;
    if (this.lag === null || event.event === "tick") this.lag = Math.min(this.lag ?? lag, lag) + 50;
    if (!this.held) return this.apply(event, this.last);
    this.buffer.push([this.last, event]);
    if (this.buffer.length > KEPT) this.live();
  }

  /** Moves the playhead: to the newest moment, at a quarter of the speed, or not at all. */
  advance() {
    const now = performance.now() * 1000;
    if (!this.held) this.head = now - this.lag;
    else if (!this.paused) this.head += (now - this.at) / 4;
    this.at = now;
    while (this.buffer[0]?.[0] <= this.head) this.take();
  }

  take() {
    const [time, event] = this.buffer.shift();
    this.apply(event, time);
  }

  live() {
    this.paused = this.slow = false;
    while (this.buffer.length) this.take();
  }

  /** Begins or ends `paused` or `slow`. */
  toggle(what) {
    this.advance();
    this[what] = !this[what];
    if (!this.held) this.live();
  }
}
