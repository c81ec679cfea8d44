// Simulate how workers come back after an outage: `node bench/retries.mjs [workers] [outage minutes] [Retry-After]`.
//
// Every worker has a record to send. Its first POST falls into the outage, at a random moment of a flush interval; from
// then on the worker's own backoff decides. Prints the requests a second during the outage and after it, and how long
// it takes until the workers have delivered. With Retry-After the server tells all workers the moment of its return.

import { backoffMs } from "../worker/backoff.js";
import { createPace } from "../worker/pace.js";
import { FLUSH_INTERVAL_MS } from "../worker/protocol.js";

const [workers = 10_000, outageMinutes = 60, mode = ""] = process.argv.slice(2);
const outageMs = Number(outageMinutes) * 60_000;
const SECOND_MS = 1_000;
const SHARES = [0.5, 0.9, 0.99, 1];

/** A clock and timers that run as fast as the machine, in the place of the browser's. */
class Simulation {
  now = 0;
  #queue = new Map();
  #times = [];

  install() {
    globalThis.performance = { now: () => this.now };
    globalThis.setTimeout = (callback, ms) => this.at(this.now + Math.max(0, ms), callback);
    globalThis.clearTimeout = () => {};
  }

  at(time, callback) {
    const slot = Math.ceil(time);
    if (!this.#queue.has(slot)) {
      this.#queue.set(slot, []);
      this.#push(slot);
    }
    this.#queue.get(slot).push(callback);
  }

  run() {
    while (this.#times.length) {
      this.now = this.#pop();
      const callbacks = this.#queue.get(this.now);
      this.#queue.delete(this.now);
      for (const callback of callbacks) callback();
    }
  }

  #push(time) {
    const heap = this.#times;
    let index = heap.push(time) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent] <= heap[index]) break;
      [heap[parent], heap[index]] = [heap[index], heap[parent]];
      index = parent;
    }
  }

  #pop() {
    const heap = this.#times;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length) {
      heap[0] = last;
      for (let index = 0; ; ) {
        let child = 2 * index + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
        if (heap[index] <= heap[child]) break;
        [heap[child], heap[index]] = [heap[index], heap[child]];
        index = child;
      }
    }
    return first;
  }
}

const simulation = new Simulation();
simulation.install();
const requestsASecond = new Map();
const deliveredAtMs = [];
for (let number = 0; number < Number(workers); number++) {
  const post = () => {
    if (!pace.begin()) return;
    const second = Math.floor(simulation.now / SECOND_MS);
    requestsASecond.set(second, (requestsASecond.get(second) ?? 0) + 1);
    if (simulation.now >= outageMs) deliveredAtMs.push(simulation.now - outageMs);
    else pace.fail(mode ? outageMs - simulation.now : 0);
  };
  const pace = createPace(post);
  simulation.at(Math.random() * FLUSH_INTERVAL_MS, post);
}
simulation.run();

const lastSecond = Math.max(...requestsASecond.keys());
const count = (from, to) => {
  const counts = Array.from({ length: to - from }, (_, index) => requestsASecond.get(from + index) ?? 0);
  return { most: Math.max(...counts), mean: counts.reduce((sum, each) => sum + each, 0) / counts.length };
};
const outageSeconds = outageMs / SECOND_MS;
const describe = (title, { most, mean }) =>
  console.log(`${title.padEnd(34)} ${String(most).padStart(6)} most, ${mean.toFixed(1).padStart(7)} on average`);
console.log(`${workers} workers, an outage of ${outageMinutes} minutes${mode && ", with Retry-After"}; requests a second:`);
describe("first minute of the outage", count(0, 60));
describe("rest of the outage", count(60, Math.max(61, outageSeconds)));
describe("first minute after the outage", count(outageSeconds, outageSeconds + 60));
describe("until all have delivered", count(outageSeconds, lastSecond + 1));
deliveredAtMs.sort((one, other) => one - other);
for (const share of SHARES) {
  const atMs = deliveredAtMs[Math.ceil(share * deliveredAtMs.length) - 1];
  console.log(`${share * 100} % delivered after ${(atMs / SECOND_MS).toFixed(0)} s`);
}
console.log(`first waits: ${[1, 2, 3].map((failures) => `${(backoffMs(failures) / SECOND_MS).toFixed(1)} s`).join(", ")}`);
