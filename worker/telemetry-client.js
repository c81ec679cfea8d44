/**
 * The tab's side: tells events to the worker, with consent only, and keeps each until the worker has it on disk.
 *
 *     const telemetry = createTelemetryClient({ workerUrl: "static-files/telemetry.worker.js", type: "module" });
 *     telemetry.logEvent({ componentId: "save-button", eventType: "onClick" });
 *
 * @module
 */

import { isOptedOutByBrowser } from "./global-privacy-control.js";
import { readItem, writeItem } from "./browser-storage.js";
import { connectInPage, connectToWorker } from "./connections.js";
import {
  ANSWER_TIMEOUT_MS,
  ENABLED_KEY,
  ENDPOINT_PATH,
  INSTALLATION_ID_KEY,
  MAX_WAITING_EVENTS,
  OUTBOX_NAME,
  WORKER_NAME,
} from "./protocol.js";
import { createUuid } from "./uuid.js";

/** @typedef {import("./connections.js").LogEvent} LogEvent */
/** @typedef {import("./connections.js").Connection} Connection */

/** "off" without consent, "starting" before READY, then where the session runs. @typedef {"off" | "starting" | "worker" | "page"} ClientState */

/**
 * @typedef {object} ClientOptions
 * @property {string | URL} workerUrl the worker's script, relative to the page
 * @property {WorkerType} [type] of that script: "module" for the modules as they stand
 * @property {(state: ClientState) => void} [onStateChange] called whenever the state may have changed
 */

/**
 * @typedef {object} TelemetryClient
 * @property {() => boolean} isEnabled whether there is consent, here and now
 * @property {() => ClientState} state
 * @property {(event: {eventName?: string, componentId?: string, [name: string]: unknown}) => boolean} logEvent
 *   tells one event to the session, at once or after READY. `eventName` is "ui_event" when left out, everything
 *   else becomes the event's params. False where the event was not taken, as without consent. Never throws
 * @property {() => void} optOut withdraws consent in all tabs: what is queued is dropped, here, in the worker and
 *   on disk
 * @property {() => void} optIn gives consent in all tabs; a new session starts, without a reload
 */

const NANOSECONDS_PER_MILLISECOND = 1e6;

/**
 * Connects to the worker where there is consent, and follows the consent from then on.
 *
 * Consent is looked up in localStorage at every event: it may have been withdrawn in another tab a
 * moment ago. Where storage is refused nobody could opt out for keeps, so that telemetry is off.
 *
 * @param {ClientOptions} options
 * @returns {TelemetryClient}
 * @throws {TypeError} when `workerUrl` is no URL
 */
export function createTelemetryClient({
  workerUrl,
  type,
  onStateChange,
}) {
  const url = new URL(workerUrl, document.baseURI);
  const endpoint = new URL(ENDPOINT_PATH, url);
  const tabId = createUuid();
  let seq = 0;
  /** @type {Connection | undefined} */
  let connection;
  let isReady = false;
  /** Events that no worker has on disk yet, in order. @type {LogEvent[]} */
  let kept = [];
  /** Runs while the worker owes a word. */
  let watchdog = 0;
  let patienceMs = 0;
  /** What `followConsent` found last. */
  let wasOn = true;
  /** An opt-out that could not be stored holds as long as the page does. */
  let isOptedOutHere = false;
  /** Stands in where it cannot be stored. */
  const ownInstallationId = createUuid();

  const isEnabled = () => {
    const stored = readItem(ENABLED_KEY);
    return !isOptedOutHere && !isOptedOutByBrowser() && stored !== undefined && stored !== "false";
  };

  /** @returns {ClientState} */
  const state = () => (!connection ? "off" : isReady ? connection.kind : "starting");
  const tellState = () => onStateChange?.(state());

  /** Gives the worker time for its word, READY or STORED, and starts anew where it does not come. */
  const watch = () => {
    if (watchdog || connection?.kind !== "worker" || (isReady && !kept.length)) return;
    patienceMs = patienceMs * 2 || ANSWER_TIMEOUT_MS;
    watchdog = setTimeout(reconnect, patienceMs);
  };
  const unwatch = () => {
    clearTimeout(watchdog);
    watchdog = 0;
  };
  const heard = () => {
    patienceMs = 0;
    unwatch();
    watch();
  };

  const start = () => {
    // Heeds only the connection that is in use.
    const isCurrent = () => connection === own && followConsent();
    /** @type {import("./connections.js").Listener} */
    const listener = {
      onReady() {
        if (!isCurrent()) return;
        isReady = true;
        own.look(document.hidden);
        kept.forEach(own.send);
        heard();
        tellState();
      },
      onStored(seq) {
        if (!isCurrent()) return;
        kept = kept.filter((event) => event.seq > seq);
        heard();
      },
      onEnded() {
        if (isCurrent()) reconnect();
      },
    };
    /** @type {Connection} */
    let own;
    try {
      own = connectToWorker(url, { type, name: WORKER_NAME }, listener);
    } catch {
      own = connectInPage(endpoint, followConsent, listener);
    }
    connection = own;
    watch();
    tellState();
  };

  /** @param {boolean} isWithdrawn whether the session has to end for all tabs */
  const disconnect = (isWithdrawn) => {
    unwatch();
    connection?.close(isWithdrawn);
    connection = undefined;
    isReady = false;
  };

  /** Leaves a session that has ended or went silent; what it did not store goes to the next one. */
  const reconnect = () => {
    disconnect(false);
    followConsent();
  };

  /** Drops all events, and ends the session for all tabs unless consent has been given again since. */
  const stop = () => {
    kept = [];
    disconnect(!isEnabled());
    tellState();
  };

  /** Does what a worker would do if one were there: what an earlier one left must not leave with a later consent. */
  const emptyOutbox = () => {
    try {
      indexedDB.deleteDatabase(OUTBOX_NAME + endpoint);
    } catch {
      // Where the browser refuses storage there is nothing to delete.
    }
  };

  /** Brings the connection in line with the consent as it stands now, and tells whether there is consent. */
  const followConsent = () => {
    const isOn = isEnabled();
    if (isOn && !connection) start();
    if (!isOn && wasOn) {
      stop();
      emptyOutbox();
    }
    return (wasOn = isOn);
  };

  /** Looked up at every event: tabs that made one at the same time agree on the one stored last. */
  const installationId = () => {
    const stored = readItem(INSTALLATION_ID_KEY);
    if (!stored) writeItem(INSTALLATION_ID_KEY, ownInstallationId);
    return stored || ownInstallationId;
  };

  addEventListener("storage", ({ key, newValue }) => {
    // A key of null says that the whole storage was cleared.
    if (key !== ENABLED_KEY && key !== null) return;
    // The session is gone even where consent has been given again since.
    if (newValue === "false") stop();
    followConsent();
  });
  // Also the last that is heard of a tab that goes. What is queued may leave at it, so that consent is looked up.
  addEventListener("visibilitychange", () => followConsent() && connection?.look(document.hidden));
  // A frozen page does not hear what becomes of its worker.
  addEventListener("pageshow", ({ persisted }) => persisted && reconnect());
  followConsent();

  return {
    isEnabled,
    state,
    logEvent({ eventName = "ui_event", ...params }) {
      if (!followConsent() || kept.length >= MAX_WAITING_EVENTS) return false;
      try {
        const event = {
          installation_id: installationId(),
          event_name: eventName,
          timestamp_ns: Date.now() * NANOSECONDS_PER_MILLISECOND,
          params: structuredClone(params), // As it is now: it may be told later, and once more.
          tab_id: tabId,
          seq,
        };
        seq++;
        kept.push(event);
        if (isReady) connection?.send(event);
        watch();
        return true;
      } catch (error) {
        console.warn("telemetry: event dropped", error);
        return false;
      }
    },
    optOut() {
      isOptedOutHere = !writeItem(ENABLED_KEY, "false");
      followConsent();
    },
    optIn() {
      isOptedOutHere = false;
      writeItem(ENABLED_KEY, "true");
      followConsent();
    },
  };
}
