/**
 * One session: which events are wanted, and where they go. The worker runs one for all tabs; a tab
 * runs its own where SharedWorker does not exist.
 *
 * @module
 */

import { LogQueue } from "./log-queue.js";
import { MAX_WAITING_EVENTS } from "./protocol.js";
import { createUuid } from "./uuid.js";

/** @typedef {import("./protocol.js").LogEvent} LogEvent */
/** @typedef {import("./protocol.js").Config} Config */

/** Reads the configuration once, keeps or drops events by it, and hands records to the queue. */
export class TelemetrySession {
  /** Drawn once: all events of a session are sent, or none. Uniform in [0, 100). */
  #samplingValue = Math.random() * 100;
  #sessionId = createUuid();
  /** Aborted when nothing may be sent any more: the one place that knows. */
  #closing = new AbortController();
  #queue;
  /**
   * Events that came before the configuration, in order.
   *
   * @type {LogEvent[]}
   */
  #waiting = [];
  /**
   * Components whose events are not wanted; null until the configuration is there.
   *
   * @type {Set<unknown> | null}
   */
  #unwanted = null;

  /**
   * Starts the session: the flush interval and the sampling value count from here.
   *
   * @param {URL} endpoint the telemetry endpoint
   * @param {() => boolean} [mayPost] asked before every POST; false closes the session
   */
  constructor(endpoint, mayPost = () => true) {
    const { signal } = this.#closing;
    this.#queue = new LogQueue(endpoint, { mayPost, close: () => this.close(), signal });
    readConfig(endpoint, signal).then((config) => this.#open(config));
  }

  /**
   * Takes one event. Never throws: what is no event is dropped with a warning on the console.
   *
   * @param {unknown} payload a {@link LogEvent}, unchecked
   */
  logEvent(payload) {
    if (this.#closing.signal.aborted) return;
    if (!isObject(payload)) {
      console.warn("telemetry: an event that is no object was dropped", payload);
    } else if (this.#unwanted) {
      this.#enqueue(/** @type {LogEvent} */ (payload));
    } else if (this.#waiting.length < MAX_WAITING_EVENTS) {
      this.#waiting.push(/** @type {LogEvent} */ (payload));
    } else {
      console.warn("telemetry: no configuration yet and too many events wait; one was dropped");
    }
  }

  /** Ends the session: drops all events, those to come as well, and aborts the requests in flight. */
  close() {
    this.#waiting = [];
    this.#closing.abort();
  }

  /** @param {Config | null} config null when it could not be read */
  #open(config) {
    if (!config || config.disable_ui_telemetry || !(this.#samplingValue < config.ui_rollout_percentage)) {
      return this.close();
    }
    this.#unwanted = new Set(config.disable_ui_events);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const event of waiting) this.#enqueue(event);
  }

  /** @param {LogEvent} event */
  #enqueue(event) {
    if (this.#unwanted?.has(event.params?.componentId)) return;
    try {
      this.#queue.push(JSON.stringify({ ...event, session_id: this.#sessionId }));
    } catch (error) {
      // A message can carry what JSON cannot: a BigInt, a cycle.
      console.warn("telemetry: an event that cannot be written as JSON was dropped", error);
    }
  }
}

/**
 * Reads the configuration. A percentage that is no finite number counts as 0, a list that is no list
 * as empty; without a readable `disable_ui_telemetry` there is no configuration.
 *
 * @param {URL} endpoint
 * @param {AbortSignal} signal
 * @returns {Promise<Config | null>} null when it cannot be read, for whatever reason
 */
async function readConfig(endpoint, signal) {
  try {
    const response = await fetch(endpoint, { cache: "no-store", signal });
    if (!response.ok) return null;
    const config = await response.json();
    const disabled = config.disable_ui_telemetry;
    const events = config.disable_ui_events;
    const percentage = config.ui_rollout_percentage;
    if (typeof disabled !== "boolean") return null;
    return {
      disable_ui_telemetry: disabled,
      disable_ui_events: Array.isArray(events) ? events.filter((id) => typeof id === "string") : [],
      ui_rollout_percentage: Number.isFinite(percentage) ? percentage : 0,
    };
  } catch {
    return null;
  }
}

/**
 * @param {unknown} value
 * @returns {value is object}
 */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
