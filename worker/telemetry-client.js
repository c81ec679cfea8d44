/**
 * The tab's side: sends events to the worker while there is consent, and keeps each until the worker acknowledges it.
 *
 *     const telemetry = createTelemetryClient({ workerUrl: "static-files/telemetry.worker.js", type: "module" });
 *     telemetry.logEvent({ componentId: "save-button", eventType: "onClick" });
 *
 * @module
 */

import { readItem, writeItem } from "./browser-storage.js";
import { connectInPage, connectToWorker } from "./connections.js";
import { hasGlobalPrivacyControl } from "./global-privacy-control.js";
import { resolveOptions } from "./options.js";
import { ACK_TIMEOUT_MS, OUTBOX_NAME_PREFIX, WORKER_NAME } from "./protocol.js";
import { createUuid } from "./uuid.js";

/** @typedef {import("./connections.js").LogEvent} LogEvent */
/** @typedef {import("./connections.js").Connection} Connection */

/**
 * "off" without consent, "starting" before READY, then where the session runs.
 *
 * @typedef {"off" | "starting" | "worker" | "page"} ClientState
 */

/**
 * The page's own options.
 *
 * @typedef {object} PageOptions
 * @property {WorkerType} [type] type of the worker's script: "module" for the modules without a build step
 * @property {(state: ClientState) => void} [onStateChange] called after every possible change of state
 */

/**
 * Where the worker comes from: its URL, relative to the page, or a function that starts it. Bundlers find a worker
 * only where the expression `new SharedWorker(new URL("./my.worker.js", import.meta.url), …)` stands in the app. The
 * function must pass the options on; the client cannot know the script's URL then, so it needs the endpoint.
 *
 * @typedef {{workerUrl: string | URL, createWorker?: undefined}
 *   | {workerUrl?: undefined, createWorker: (options: WorkerOptions) => SharedWorker, endpoint: string | URL}
 * } WorkerSource
 */

/** @typedef {import("./options.js").TelemetryOptions & PageOptions & WorkerSource} ClientOptions */

/**
 * @typedef {object} TelemetryClient
 * @property {() => boolean} isEnabled whether there is consent at the moment
 * @property {() => ClientState} state the current state
 * @property {(event: {eventName?: string, componentId?: string, [name: string]: unknown}) => boolean} logEvent
 *   sends one event to the session, now or after READY. `eventName` defaults to "ui_event"; all other properties
 *   become the event's params. Returns false when the event is dropped, for example without consent. Never throws
 * @property {() => void} optOut withdraws consent in all tabs: events queued in tabs, in the worker and on disk are
 *   dropped
 * @property {() => void} optIn gives consent in all tabs; a new session starts without a reload
 */

const NANOSECONDS_PER_MILLISECOND = 1e6;

/**
 * Create the client: it connects to the worker while there is consent, and disconnects when consent is withdrawn.
 *
 * The client reads the consent from localStorage at every event, because another tab may have withdrawn it a moment
 * ago. Where storage is blocked an opt-out could not persist, so telemetry is off.
 *
 * @param {ClientOptions} options
 * @returns {TelemetryClient}
 * @throws {TypeError} when `workerUrl` or `endpoint` is not a URL
 */
export function createTelemetryClient({ workerUrl = "", createWorker, type, onStateChange, ...others }) {
  const url = new URL(workerUrl, document.baseURI);
  const startWorker =
    createWorker ?? ((/** @type {WorkerOptions} */ workerOptions) => new SharedWorker(url, workerOptions));
  const options = resolveOptions(others, url);
  const { endpoint } = options;
  const tabId = createUuid();
  let seq = 0;
  /** @type {Connection | undefined} */
  let connection;
  let isReady = false;
  /** Events without acknowledgement, in order. @type {LogEvent[]} */
  let unacknowledged = [];
  /** Timer that runs while a READY or an acknowledgement is due; 0 when stopped. */
  let watchdog = 0;
  /** Last timeout of the watchdog, in milliseconds; 0 after an acknowledgement. */
  let ackTimeoutMs = 0;
  /** Consent as of the last `syncConsent`. */
  let hadConsent = true;
  /** An opt-out that could not be stored; it holds until the page unloads. */
  let isOptedOutInPage = false;
  /** Used where the id cannot be stored. */
  const fallbackInstallationId = createUuid();

  const isEnabled = () => {
    const stored = readItem(options.consentKey);
    return !isOptedOutInPage && !hasGlobalPrivacyControl() && stored !== undefined && stored !== "false";
  };

  /** @returns {ClientState} */
  const state = () => (!connection ? "off" : isReady ? connection.kind : "starting");
  const notifyState = () => onStateChange?.(state());

  /** Reconnect unless READY or an acknowledgement arrives in time. The timeout doubles with every attempt. */
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
    // Callbacks of an earlier connection are ignored.
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
      newConnection = connectToWorker(startWorker, { type, name: WORKER_NAME }, listener);
    } catch {
      newConnection = connectInPage(options, syncConsent, listener);
    }
    connection = newConnection;
    startWatchdog();
    notifyState();
  };

  /** @param {boolean} isConsentWithdrawn whether to end the session for all tabs */
  const disconnect = (isConsentWithdrawn) => {
    stopWatchdog();
    connection?.close(isConsentWithdrawn);
    connection = undefined;
    isReady = false;
  };

  /** Replace a session that has ended or does not respond. READY sends the unacknowledged events again. */
  const reconnect = () => {
    disconnect(false);
    syncConsent();
  };

  /** Drop all events, and end the session for all tabs unless consent has been given again since. */
  const stop = () => {
    unacknowledged = [];
    disconnect(!isEnabled());
    notifyState();
  };

  /**
   * Delete the records on disk where no worker runs to do it. A later consent must not send what was logged before
   * the opt-out.
   */
  const deleteOutbox = () => {
    try {
      indexedDB.deleteDatabase(OUTBOX_NAME_PREFIX + endpoint);
    } catch {
      // The browser blocks storage, so there is nothing to delete.
    }
  };

  /** Connect or disconnect according to the current consent, and return it. */
  const syncConsent = () => {
    const hasConsent = isEnabled();
    if (hasConsent && !connection) start();
    if (!hasConsent && hadConsent) {
      stop();
      deleteOutbox();
    }
    return (hadConsent = hasConsent);
  };

  /** Read at every event: tabs that created an id at the same time converge on the one stored last. */
  const getInstallationId = () => {
    const stored = readItem(options.installationIdKey);
    if (!stored) writeItem(options.installationIdKey, fallbackInstallationId);
    return stored || fallbackInstallationId;
  };

  addEventListener("storage", ({ key, newValue }) => {
    // A null key means that the whole storage was cleared.
    if (key !== options.consentKey && key !== null) return;
    // The session has ended, even if consent has been given again since.
    if (newValue === "false") stop();
    syncConsent();
  });
  // Often the last event of a tab that closes. The worker may flush on this message, so check the consent first.
  addEventListener("visibilitychange", () => syncConsent() && connection?.setVisibility(document.hidden));
  // A page in the back/forward cache receives no messages: its worker may have terminated meanwhile.
  addEventListener("pageshow", ({ persisted }) => persisted && reconnect());
  syncConsent();

  return {
    isEnabled,
    state,
    logEvent({ eventName = "ui_event", ...params }) {
      if (!syncConsent() || unacknowledged.length >= options.maxWaitingEvents) return false;
      try {
        const event = {
          installation_id: getInstallationId(),
          event_name: eventName,
          timestamp_ns: Date.now() * NANOSECONDS_PER_MILLISECOND,
          params: structuredClone(params), // A snapshot: the event may be sent later, and more than once.
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
      isOptedOutInPage = !writeItem(options.consentKey, "false");
      syncConsent();
    },
    optIn() {
      isOptedOutInPage = false;
      writeItem(options.consentKey, "true");
      syncConsent();
    },
  };
}
