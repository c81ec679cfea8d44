/**
 * One session: which events are wanted, and where they go. The worker runs one for all tabs; a tab
 * runs its own where SharedWorker does not exist.
 *
 * @module
 */

import { backoffMs } from "./backoff.js";
import { hasGlobalPrivacyControl } from "./global-privacy-control.js";
import { createQueue } from "./record-queue.js";
import { createOutbox } from "./outbox.js";
import { CONFIG_LIFETIME_MS, CONFIG_TIMEOUT_MS, FLUSH_INTERVAL_MS, MAX_WAITING_EVENTS } from "./protocol.js";
import { fetchWithTimeout } from "./post-batch.js";
import { createUuid } from "./uuid.js";

/** @typedef {import("./protocol.js").LogEvent} LogEvent */
/** @typedef {import("./protocol.js").Config} Config */
/** @typedef {ReturnType<typeof createSession>} Session */

/**
 * Starts a session: it follows the configuration, keeps or drops events by it, and hands records to the
 * queue. The flush interval and the sampling value count from here.
 *
 * @param {URL} endpoint the telemetry endpoint
 * @param {() => boolean} [mayPost] asked before every POST; false closes the session
 */
export function createSession(endpoint, mayPost = () => true) {
  // Drawn once: all events of a session are sent, or none. Uniform in [0, 100).
  const samplingValue = Math.random() * 100;
  /** @type {import("./protocol.js").Losses} */
  const losses = { session_id: createUuid(), dropped: 0, filtered: 0 };
  // Aborted when nothing may be sent any more: the one place that knows.
  const closing = new AbortController();
  const { signal } = closing;
  const outbox = createOutbox(endpoint, () => queue.rewriteAll());
  /** Components whose events are not wanted; null where no event is. @type {Set<unknown> | null} */
  let disabledComponents = null;
  /** How many events wait for the configuration. */
  let waitingEvents = 0;

  /** Ends the session: drops all events, those to come and those on disk as well, and aborts what is in flight. */
  const close = () => {
    closing.abort();
    queue.clear();
  };
  const queue = createQueue(endpoint, outbox, {
    losses,
    mayPost: () => mayPost() && !hasGlobalPrivacyControl(),
    close,
    signal,
  });

  /**
   * A percentage that is no number counts as 0, a list that is no list as empty.
   *
   * @param {Config} config
   */
  const applyConfig = (config) => {
    queue.gzip = toArray(config.accept_encodings).includes("gzip");
    queue.isActive = !config.disable_ui_telemetry;
    // What other sessions left is sent also by one that was not drawn itself.
    if (queue.isActive) queue.recoverOrphans();
    else queue.clear();
    const percentage = config.ui_rollout_percentage;
    const isSampled = queue.isActive && typeof percentage === "number" && samplingValue < percentage;
    disabledComponents = isSampled ? new Set(toArray(config.disable_ui_events)) : null;
  };

  /**
   * Reads the configuration, and again when it has aged or could not be read. Without a readable
   * `disable_ui_telemetry` there is none.
   *
   * @param {number} failures in a row
   */
  const pollConfig = async (failures) => {
    try {
      const response = await fetchWithTimeout(endpoint, CONFIG_TIMEOUT_MS, signal, { cache: "no-store" });
      const config = await response.json();
      if (!response.ok || typeof config.disable_ui_telemetry !== "boolean") throw config;
      applyConfig(config);
      failures = 0;
    } catch {
      failures++;
    }
    if (!signal.aborted) setTimeout(pollConfig, failures ? backoffMs(failures) : CONFIG_LIFETIME_MS, failures);
  };

  // Browsers arm the next tick of an interval from the time this one was due, so that it does not drift.
  const timer = setInterval(() => queue.flush(), FLUSH_INTERVAL_MS);
  signal.onabort = () => clearInterval(timer);
  addEventListener("online", queue.retryNow, { signal });
  const firstPoll = pollConfig(0);
  if (hasGlobalPrivacyControl()) close();

  return {
    /** The name of the lock that is lockHeld for as long as this session's worker lives. */
    lock: outbox.lock,

    /** Settles when that lock is lockHeld. */
    lockHeld: outbox.lockHeld,

    /**
     * Takes one event. Never throws: what is no event is dropped with a warning on the console.
     *
     * @param {unknown} payload a {@link LogEvent}, unchecked
     * @param {{tab_id: string, seq: number}} [identity] of an event that has none
     * @returns {Promise<void>} settles when nobody else has to keep it: it is on disk, or dropped for good
     */
    async logEvent(payload, identity) {
      const event = /** @type {LogEvent} */ (payload);
      try {
        if (Object(event) !== event) throw new Error("no object");
        if (waitingEvents >= MAX_WAITING_EVENTS) throw new Error("too many wait");
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
        // Also what a message can carry and JSON cannot: a BigInt, a cycle.
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
 * @returns {unknown[]}
 */
const toArray = (value) => (Array.isArray(value) ? value : []);
