/**
 * The queue of records and its clock: one POST a flush interval, never two in flight.
 *
 * @module
 */

import { FLUSH_INTERVAL_MS } from "./protocol.js";

/**
 * Holds records in order and posts them every {@link FLUSH_INTERVAL_MS}, counted from construction.
 *
 * Records are kept as JSON text: one that cannot be written as JSON is refused where it is made and
 * never holds up the others.
 */
export class LogQueue {
  /** @type {string[]} */
  #records = [];
  #posting = false;
  #endpoint;
  #mayPost;
  #close;
  #signal;

  /**
   * @param {URL} endpoint where batches are posted to
   * @param {object} owner
   * @param {() => boolean} owner.mayPost asked before every POST; false closes for good
   * @param {() => void} owner.close called when nothing may be sent any more; has to abort `signal`
   * @param {AbortSignal} owner.signal ends the timer and the POST in flight, and drops all records
   */
  constructor(endpoint, { mayPost, close, signal }) {
    this.#endpoint = endpoint;
    this.#mayPost = mayPost;
    this.#close = close;
    this.#signal = signal;
    // Browsers arm the next tick of an interval from the time this one was due, so that it does not drift.
    const timer = setInterval(() => this.#flush(), FLUSH_INTERVAL_MS);
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      this.#records = [];
    });
  }

  /**
   * Adds one record behind those that wait.
   *
   * @param {string} record JSON text of a {@link import("./protocol.js").Record}
   */
  push(record) {
    this.#records.push(record);
  }

  /** Posts what waits. While an answer is still out the tick passes, and the records go with the next one. */
  async #flush() {
    if (this.#posting || !this.#records.length || navigator.onLine === false) return;
    if (!this.#mayPost()) return this.#close();
    const batch = this.#records;
    this.#records = [];
    this.#posting = true;
    const taken = await this.#post(batch);
    this.#posting = false;
    if (!taken && !this.#signal.aborted) this.#records = batch.concat(this.#records);
  }

  /**
   * Posts one batch.
   *
   * @param {string[]} batch
   * @returns {Promise<boolean>} whether the server took it
   */
  async #post(batch) {
    let response;
    try {
      response = await fetch(this.#endpoint, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: `{"records":[${batch.join(",")}]}`,
        // A login page that answers 200 after a redirect has taken nothing.
        redirect: "error",
        signal: this.#signal,
      });
      if (!response.ok) return false;
    } catch {
      return false;
    }
    // With the status the server has said that it took the batch. An answer without a body (204), cut
    // short or not JSON does not take that back: to post again would store every record twice.
    const answer = await response.json().catch(() => null);
    if (answer?.status === "disabled") this.#close();
    return true;
  }
}
