/**
 * The tab's side: tells events to the worker, with consent only, and keeps each until the worker has it on disk.
 *
 *     const telemetry = createTelemetryClient({ workerUrl: "static-files/telemetry.worker.js", type: "module" });
 *     telemetry.logEvent({ componentId: "save-button", eventType: "onClick" });
 *
 * @module
 */

import { hasGlobalPrivacyControl } from "./global-privacy-control.js";
import { readItem, writeItem } from "./browser-storage.js";
import { connectInPage, connectToWorker } from "./connections.js";
import {
  ACK_TIMEOUT_MS,
  ENABLED_KEY,
  ENDPOINT_PATH,
  INSTALLATION_ID_KEY,
  MAX_WAITING_EVENTS,
  OUTBOX_NAME_PREFIX,
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
  let unacknowledged = [];
  /** Runs while the worker owes a word. */
  let watchdog = 0;
  let ackTimeoutMs = 0;
  /** What `syncConsent` found last. */
  let hadConsent = true;
  /** An opt-out that could not be stored holds as long as the page does. */
  let isOptedOutInPage = false;
  /** Stands in where it cannot be stored. */
  const fallbackInstallationId = createUuid();

  const isEnabled = () => {
    const stored = readItem(ENABLED_KEY);
    return !isOptedOutInPage && !hasGlobalPrivacyControl() && stored !== undefined && stored !== "false";
  };

  /** @returns {ClientState} */
  const state = () => (!connection ? "off" : isReady ? connection.kind : "starting");
  const notifyState = () => onStateChange?.(state());

  /** Gives the worker time for its word, READY or STORED, and starts anew where it does not come. */
  const startWatchdog = () => {
    if (watchdog || connection?.kind !== "worker" || (isReady && !unacknowledged.length)) return;
    ackTimeoutMs = ackTimeoutMs * 2 || ACK_TIMEOUT_MS;
    watchdog = setTimeout(reconnect, ackTimeoutMs);
  };
  const stopWatchdog = () => {
    clearTimeout(watchdog);
    watchdog = 0;
  };
  const onAck = () => {
    ackTimeoutMs = 0;
    stopWatchdog();
    startWatchdog();
  };

  const start = () => {
    // Heeds only the connection that is in use.
    const isCurrent = () => connection === newConnection && syncConsent();
    /** @type {import("./connections.js").Listener} */
    const listener = {
      onReady() {
        if (!isCurrent()) return;
        isReady = true;
        newConnection.setVisibility(document.hidden);
        unacknowledged.forEach(newConnection.send);
        onAck();
        notifyState();
      },
      onStored(seq) {
        if (!isCurrent()) return;
        unacknowledged = unacknowledged.filter((event) => event.seq > seq);
        onAck();
      },
      onEnded() {
        if (isCurrent()) reconnect();
      },
    };
    /** @type {Connection} */
    let newConnection;
    try {
      newConnection = connectToWorker(url, { type, name: WORKER_NAME }, listener);
    } catch {
      newConnection = connectInPage(endpoint, syncConsent, listener);
    }
    connection = newConnection;
    startWatchdog();
    notifyState();
  };

  /** @param {boolean} isConsentWithdrawn whether the session has to end for all tabs */
  const disconnect = (isConsentWithdrawn) => {
    stopWatchdog();
    connection?.close(isConsentWithdrawn);
    connection = undefined;
    isReady = false;
  };

  /** Leaves a session that has ended or went silent; what it did not store goes to the next one. */
  const reconnect = () => {
    disconnect(false);
    syncConsent();
  };

  /** Drops all events, and ends the session for all tabs unless consent has been given again since. */
  const stop = () => {
    unacknowledged = [];
    disconnect(!isEnabled());
    notifyState();
  };

  /** Does what a worker would do if one were there: what an earlier one left must not leave with a later consent. */
  const deleteOutbox = () => {
    try {
      indexedDB.deleteDatabase(OUTBOX_NAME_PREFIX + endpoint);
    } catch {
      // Where the browser refuses storage there is nothing to delete.
    }
  };

  /** Brings the connection in line with the consent as it stands now, and tells whether there is consent. */
  const syncConsent = () => {
    const hasConsent = isEnabled();
    if (hasConsent && !connection) start();
    if (!hasConsent && hadConsent) {
      stop();
      deleteOutbox();
    }
    return (hadConsent = hasConsent);
  };

  /** Looked up at every event: tabs that made one at the same time agree on the one stored last. */
  const installationId = () => {
    const stored = readItem(INSTALLATION_ID_KEY);
    if (!stored) writeItem(INSTALLATION_ID_KEY, fallbackInstallationId);
    return stored || fallbackInstallationId;
  };

  addEventListener("storage", ({ key, newValue }) => {
    // A key of null says that the whole storage was cleared.
    if (key !== ENABLED_KEY && key !== null) return;
    // The session is gone even where consent has been given again since.
    if (newValue === "false") stop();
    syncConsent();
  });
  // Also the last that is onAck of a tab that goes. What is queued may leave at it, so that consent is looked up.
  addEventListener("visibilitychange", () => syncConsent() && connection?.setVisibility(document.hidden));
  // A frozen page does not hear what becomes of its worker.
  addEventListener("pageshow", ({ persisted }) => persisted && reconnect());
  syncConsent();

  return {
    isEnabled,
    state,
    logEvent({ eventName = "ui_event", ...params }) {
      if (!syncConsent() || unacknowledged.length >= MAX_WAITING_EVENTS) return false;
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
        unacknowledged.push(event);
        if (isReady) connection?.send(event);
        startWatchdog();
        return true;
      } catch (error) {
        console.warn("telemetry: event dropped", error);
        return false;
      }
    },
    optOut() {
      isOptedOutInPage = !writeItem(ENABLED_KEY, "false");
      syncConsent();
    },
    optIn() {
      isOptedOutInPage = false;
      writeItem(ENABLED_KEY, "true");
      syncConsent();
    },
  };
}
