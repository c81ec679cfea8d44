/**
 * A session: configuration, sampling, filter. The worker runs one session for all tabs; a page runs its own
 * where SharedWorker is not available.
 *
 * @module
 */

import { backoffMs } from "./backoff.js";
import { fetchWithTimeout } from "./fetch-with-timeout.js";
import { hasGlobalPrivacyControl } from "./global-privacy-control.js";
import { createOutbox } from "./outbox.js";
import { CONFIG_LIFETIME_MS, CONFIG_TIMEOUT_MS } from "./protocol.js";
import { createQueue } from "./record-queue.js";
import { createUuid } from "./uuid.js";

/** @typedef {import("./protocol.js").LogEvent} LogEvent */
/** @typedef {import("./protocol.js").Config} Config */
/** @typedef {ReturnType<typeof createSession>} Session */

/**
 * Start a session: it polls the configuration, drops or filters events accordingly, and queues the others as records.
 * The flush interval starts here, and the sampling value is drawn here.
 *
 * @param {import("./options.js").ResolvedOptions} options
 * @param {() => boolean} [mayPost] called before every POST; false closes the session
 */
export function createSession(options, mayPost = () => true) {
  const { endpoint } = options;
  // Drawn once, so that a session sends all of its events or none. Uniform in [0, 100).
  const samplingValue = Math.random() * 100;
  /** @type {import("./protocol.js").Losses} */
  const losses = { session_id: createUuid(), dropped: 0, filtered: 0 };
  // Aborted when the session is closed. The only place that holds this state.
  const closing = new AbortController();
  const { signal } = closing;
  const outbox = createOutbox(endpoint, () => queue.rewriteAll());
  /** Ids of the components to filter; null drops every event. @type {Set<unknown> | null} */
  let disabledComponents = null;
  /** Number of events that wait for the configuration. */
  let waitingEvents = 0;

  /** Close the session: drop all events, queued, on disk and future ones, and abort the request in flight. */
  const close = () => {
    closing.abort();
    queue.clear();
  };
  const queue = createQueue(options, outbox, {
    losses,
    mayPost: () => mayPost() && !hasGlobalPrivacyControl(),
    close,
    signal,
  });

  /**
   * Apply a configuration. A percentage that is not a number counts as 0, a list that is not an array as empty.
   *
   * @param {Config} config
   */
  const applyConfig = (config) => {
    queue.gzip = toArray(config.accept_encodings).includes("gzip");
    queue.isActive = !config.disable_ui_telemetry;
    // Recovered records were sampled by their own sessions: send them even when this session is not sampled.
    if (queue.isActive) queue.recoverOrphans();
    else queue.clear();
    const percentage = config.ui_rollout_percentage;
    const isSampled = queue.isActive && typeof percentage === "number" && samplingValue < percentage;
    disabledComponents = isSampled ? new Set(toArray(config.disable_ui_events)) : null;
  };

  /**
   * Read the configuration, and schedule the next read: after {@link CONFIG_LIFETIME_MS}, or with backoff after a
   * failure. A configuration without a boolean `disable_ui_telemetry` is a failure.
   *
   * @param {number} failures consecutive failures so far
   */
  const pollConfig = async (failures) => {
    try {
      const response = await fetchWithTimeout(endpoint, CONFIG_TIMEOUT_MS, signal, { cache: "no-store" });
      const config = await response.json();
      if (!response.ok || typeof config.disable_ui_telemetry !== "boolean") throw new Error("invalid configuration");
      applyConfig(config);
      failures = 0;
    } catch {
      failures++;
    }
    if (!signal.aborted) setTimeout(pollConfig, failures ? backoffMs(failures) : CONFIG_LIFETIME_MS, failures);
  };

  // Browsers schedule the next tick of an interval from the due time of the last, so flushes do not drift.
  const timer = setInterval(() => queue.flush(), options.flushIntervalMs);
  signal.onabort = () => clearInterval(timer);
  addEventListener("online", queue.retryNow, { signal });
  const firstPoll = pollConfig(0);
  if (hasGlobalPrivacyControl()) close();

  return {
    /** Name of the Web Lock that this session holds until its worker terminates. */
    lock: outbox.lock,

    /** Settles when the lock is held, or the browser has no locks. */
    lockHeld: outbox.lockHeld,

    /**
     * Log one event. Never throws: an invalid event is dropped with a warning on the console.
     *
     * @param {unknown} payload a {@link LogEvent}, not validated
     * @param {{tab_id: string, seq: number}} [identity] default for an event without its own
     * @returns {Promise<void>} settles when the event may be acknowledged: it is on disk, or dropped
     */
    async logEvent(payload, identity) {
      const event = /** @type {LogEvent} */ (payload);
      try {
        if (Object(event) !== event) throw new Error("not an object");
        if (waitingEvents >= options.maxWaitingEvents) throw new Error("too many waiting");
        waitingEvents++;
        await firstPoll;
        waitingEvents--;
        if (signal.aborted) return;
        if (!disabledComponents) losses.dropped++;
        else if (disabledComponents.has(event.params?.componentId)) losses.filtered++;
        else {
          const record = { ...identity, ...event, session_id: losses.session_id };
          await queue.push(`${record.tab_id}/${record.seq}`, JSON.stringify(record));
        }
      } catch (error) {
        // Includes values that structured clone supports and JSON does not: a BigInt, a cycle.
        losses.dropped++;
        console.warn("telemetry: event dropped", error);
      }
    },

    flush: queue.flush,
    close,
  };
}

/**
 * @param {unknown} value
 * @returns {unknown[]} the value when it is an array, else an empty one
 */
const toArray = (value) => (Array.isArray(value) ? value : []);
