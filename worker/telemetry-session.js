/**
 * A session: configuration, sampling, filter. The worker runs one session for all tabs; a page runs its own
 * where SharedWorker is not available.
 *
 * @module
 */

import { fetchWithTimeout } from "./fetch-with-timeout.js";
import { hasGlobalPrivacyControl } from "./global-privacy-control.js";
import { createOutbox } from "./outbox.js";
import { createPace, parseRetryAfterMs } from "./pace.js";
import { CONFIG_GRACE_MS, CONFIG_LIFETIME_MS, CONFIG_MEMORY_MS, CONFIG_TIMEOUT_MS } from "./protocol.js";
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
 * @param {() => boolean} [mayPost] called before every POST; false drops the events so far, on disk too
 */
export function createSession(options, mayPost = () => !hasGlobalPrivacyControl()) {
  const { endpoint } = options;
  // Drawn once, so that a session sends all of its events or none. Uniform in [0, 100).
  const samplingValue = Math.random() * 100;
  /** @type {import("./protocol.js").Losses} */
  const losses = { session_id: createUuid(), dropped: 0, filtered: 0 };
  // Aborted when the session is over. The only place that holds this state.
  const closing = new AbortController();
  const { signal } = closing;
  // Aborted when events must not leave any more.
  const withdrawal = new AbortController();
  const outbox = createOutbox(options, () => queue.rewriteAll());
  /** Ids of the components to filter; null drops every event. @type {Set<unknown> | null} */
  let disabledComponents = null;
  /** When the configuration in force was read, as of `Date.now()`; 0 while none is known. */
  let configReadAtMs = 0;
  /** Ends the wait for the first configuration. @type {(value?: unknown) => void} */
  let onConfigured;
  const isConfigured = new Promise((resolve) => {
    onConfigured = resolve;
  });
  /** Number of events that wait for the configuration. */
  let waitingEvents = 0;

  /**
   * Drop all events, queued, on disk and future ones, and abort the request in flight. The lock is still held: tabs take
   * a free lock for a worker that has terminated, and would start another session.
   *
   * @param {number} [timeMs] see `close`
   */
  const stop = (timeMs) => {
    closing.abort();
    withdrawal.abort();
    queue.isActive = false;
    queue.clear(timeMs);
  };
  const queue = createQueue(options, outbox, {
    losses,
    mayPost,
    onDisabled() {
      stop();
      outbox.writeConfig({ "disable_ui_telemetry": true });
    },
    signal: withdrawal.signal,
  });

  /**
   * Apply a configuration. A percentage that is not a number counts as 0, a list that is not an array as empty.
   *
   * @param {Config} config
   * @param {number} readAtMs when it was read
   */
  const applyConfig = (config, readAtMs) => {
    if (signal.aborted) return;
    configReadAtMs = readAtMs;
    queue.gzip = toArray(config.accept_encodings).includes("gzip");
    queue.isActive = !config.disable_ui_telemetry;
    // Recovered records were sampled by their own sessions: send them even when this session is not sampled.
    if (queue.isActive) queue.recoverOrphans();
    else queue.clear();
    const percentage = config.ui_rollout_percentage;
    const isSampled = queue.isActive && typeof percentage === "number" && samplingValue < percentage;
    disabledComponents = isSampled ? new Set(toArray(config.disable_ui_events)) : null;
    onConfigured();
  };

  // A clock that has been set back or forward by more counts as too old as well.
  const isRecent = (/** @type {number} */ readAtMs) => Math.abs(Date.now() - readAtMs) < CONFIG_MEMORY_MS;

  /**
   * Apply the configuration of an earlier session while the server's is late or cannot be read. It only enables: where
   * it does not, the server's decides.
   */
  const recallConfig = async () => {
    if (configReadAtMs || signal.aborted) return;
    const remembered = await outbox.readConfig();
    if (configReadAtMs || !remembered || !isRecent(remembered.readAtMs) || remembered.config.disable_ui_telemetry) return;
    applyConfig(remembered.config, remembered.readAtMs);
  };

  /**
   * Read the configuration. The next read follows after {@link CONFIG_LIFETIME_MS}, or with backoff after a failure.
   *
   * A configuration without a boolean `disable_ui_telemetry` is a failure. A failure says nothing about telemetry: the
   * last configuration holds for {@link CONFIG_MEMORY_MS}, and what is queued is kept even then.
   */
  const pollConfig = async () => {
    if (signal.aborted || !pace.begin()) return;
    let retryAfterMs = 0;
    try {
      const response = await fetchWithTimeout(endpoint, CONFIG_TIMEOUT_MS, signal, { cache: "no-store" });
      retryAfterMs = parseRetryAfterMs(response);
      const config = await response.json();
      if (!response.ok || typeof config.disable_ui_telemetry !== "boolean") throw new Error();
      applyConfig(config, Date.now());
      outbox.writeConfig(config);
      pace.end(CONFIG_LIFETIME_MS);
    } catch {
      pace.fail(retryAfterMs);
      await recallConfig();
      onConfigured();
      if (!isRecent(configReadAtMs)) {
        queue.isActive = false;
        disabledComponents = null;
      }
    }
  };
  const pace = createPace(pollConfig);

  // Browsers schedule the next tick of an interval from the due time of the last, so flushes do not drift.
  const timer = setInterval(() => queue.flush(), options.flushIntervalMs);
  signal.onabort = () => clearInterval(timer);
  addEventListener("online", queue.hurry, { signal });
  addEventListener("online", pace.hurry, { signal });
  setTimeout(recallConfig, CONFIG_GRACE_MS);
  pollConfig();
  if (hasGlobalPrivacyControl()) stop();

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
     * @returns {Promise<boolean | undefined>} settles when the event may be acknowledged: it is on disk, or dropped.
     *   False when storage is not to be had and it is in memory only
     */
    async logEvent(payload, identity) {
      const event = /** @type {LogEvent} */ (payload);
      try {
        // Throws unless it is an object.
        Reflect.ownKeys(event);
        if (waitingEvents >= options.maxWaitingEvents) throw new Error("too many waiting");
        waitingEvents++;
        await isConfigured;
        waitingEvents--;
        if (signal.aborted) return undefined;
        if (!disabledComponents) losses.dropped++;
        else if (disabledComponents.has(event.params?.componentId)) losses.filtered++;
        else {
          const record = { ...event, session_id: losses.session_id };
          const { tab_id, seq } = /** @type {{tab_id: unknown, seq: number}} */ (record);
          const hasIdentity = typeof tab_id === "string" && tab_id && Number.isSafeInteger(seq) && seq >= 0;
          if (!hasIdentity) Object.assign(record, identity);
          return await queue.push(`${record.tab_id}/${record.seq}`, replaceLoneSurrogates(JSON.stringify(record)));
        }
      } catch (error) {
        // Includes values that structured clone supports and JSON does not: a BigInt, a cycle.
        losses.dropped++;
        console.warn("telemetry: event dropped", error);
      }
      return undefined;
    },

    /**
     * Count events that a tab has refused, so that the server learns of them.
     *
     * @param {number} count
     */
    countDropped(count) {
      losses.dropped += count;
    },

    /** Whether events wait for the configuration or to be posted. */
    hasEvents: () => waitingEvents > 0 || queue.hasRecords(),

    flush: queue.flush,

    /** End, and leave the records on disk to the next session. A request under way goes on. */
    end() {
      closing.abort();
      queue.isActive = false;
      outbox.close();
    },

    /**
     * Drop all events, and release the lock and the database.
     *
     * @param {number} [timeMs] when consent was withdrawn, as of `Date.now()`; default: when this session began. Sessions
     *   that began later keep what they have on disk
     */
    close(timeMs) {
      stop(timeMs);
      outbox.close();
    },
  };
}

/**
 * Replace halves of surrogate pairs by U+FFFD, as `toWellFormed` does. A server rejects the record otherwise.
 *
 * @param {string} json escapes a lone surrogate as `\\ud83d`, and a backslash as `\\\\`
 */
const replaceLoneSurrogates = (json) =>
  json.replace(/\\(\\|ud[89a-f]..)/g, (escape, rest) => (rest === "\\" ? escape : "\ufffd"));

/**
 * @param {unknown} value
 * @returns {unknown[]} the value when it is an array, else an empty one
 */
const toArray = (value) => (Array.isArray(value) ? value : []);
