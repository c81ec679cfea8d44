/**
 * The tab's side: sends events to the worker while there is consent, and keeps each until the worker acknowledges it.
 *
 *     const telemetry = createTelemetryClient({ workerUrl: "static-files/telemetry.worker.js", type: "module" });
 *     telemetry.logEvent({ componentId: "save-button", eventType: "onClick" });
 *
 * @module
 */

import { readItem, removeItem, writeItem } from "./browser-storage.js";
import { connectInPage, connectToWorker } from "./connections.js";
import { hasGlobalPrivacyControl } from "./global-privacy-control.js";
import { resolveOptions } from "./options.js";
import { deleteOutboxes } from "./outbox.js";
import { ACK_TIMEOUT_MS, ECHO_MS, ENDING_MS, SHUTDOWN } from "./protocol.js";
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
 * @property {() => boolean} optOut withdraws consent in all tabs: events queued in tabs, in the workers and on disk are
 *   dropped. Returns false when localStorage is full and the opt-out holds only in the tabs that are open
 * @property {() => void} optIn gives consent in all tabs; a new session starts without a reload
 */

const NANOSECONDS_PER_MILLISECOND = 1e6;

/**
 * Copy an event. Primitive values need no deep copy, and most events have no others. Of others only what JSON can express
 * leaves the tab: what the worker cannot receive, such as a WebAssembly.Module, takes the whole message with it.
 *
 * @param {object} details
 * @returns {any}
 * @throws what getters throw, and where a value cannot be cloned or expressed in JSON
 */
const snapshot = (details) => {
  const copy = { ...details };
  // JSON expresses neither symbols nor bigints.
  const isFlat = Object.values(copy).every((value) => Object(value) !== value && !/sy|bi/.test(typeof value));
  return isFlat ? copy : JSON.parse(JSON.stringify(structuredClone(copy)));
};

/**
 * Create the client: it connects to the worker while there is consent, and disconnects when consent is withdrawn.
 *
 * The client reads the consent from localStorage at the first event of every task, because another tab may have
 * withdrawn it a moment ago; what a page writes there itself takes effect before the task's other events leave.
 * Where storage is blocked or full an opt-out could not persist, so telemetry is off: the installation id, which an
 * opt-out may remove, keeps the room for it.
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
  const tabId = createUuid();
  let seq = 0;
  /** @type {Connection | undefined} */
  let connection;
  let isReady = false;
  /** Events without acknowledgement, in order. @type {LogEvent[]} */
  let unacknowledged = [];
  /** Those that the next message carries: logged in this task after its first event. @type {LogEvent[]} */
  let unsent = [];
  /** Whether this task has read the consent. */
  let isConsentCurrent = false;
  /** Timer that runs while a READY or an acknowledgement is due; 0 when stopped. */
  let watchdog = 0;
  /** Last timeout of the watchdog, in milliseconds; 0 after an acknowledgement. */
  let ackTimeoutMs = 0;
  /** Consent as of the last `syncConsent`. */
  let hadConsent = true;
  /**
   * An opt-out that could not be stored; it holds until the page unloads, even once a write has succeeded: Chromium accepts
   * a write before it knows that another tab has filled the storage, and takes it back.
   */
  let isOptedOutInPage = false;
  /** Time of the last start, as of `performance.now()`. */
  let startedMs = 0;
  /** Number of events refused with consent, for which the session has no report yet. */
  let refused = 0;
  let isWorkerBroken = false;
  /** Whether a worker has answered in this page. */
  let hasWorked = false;
  const newInstallationId = createUuid();
  let installationId = "";

  /** Read with the consent: tabs that created an id at the same time converge on the one stored last. */
  const hasInstallationId = () => {
    const stored = readItem(options.installationIdKey);
    installationId = stored || newInstallationId;
    return !!stored || writeItem(options.installationIdKey, newInstallationId);
  };
  const isEnabled = () => {
    const stored = readItem(options.consentKey);
    return (
      !isOptedOutInPage &&
      !hasGlobalPrivacyControl() &&
      stored !== undefined &&
      stored !== "false" &&
      hasInstallationId()
    );
  };
  /** @returns {boolean} whether the opt-out is stored, also for later pages */
  const storeOptOut = () => {
    if (!writeItem(options.consentKey, "false")) removeItem(options.installationIdKey);
    return writeItem(options.consentKey, "false");
  };

  /** @returns {ClientState} */
  const state = () => (!connection ? "off" : isReady ? connection.kind : "starting");
  const notifyState = () => {
    try {
      onStateChange?.(state());
    } catch (error) {
      // What the app does there must not keep an opt-out from taking effect.
      reportError(error);
    }
  };

  /** Reconnect unless READY or an acknowledgement arrives in time. The timeout doubles with every attempt. */
  const startWatchdog = () => {
    if (watchdog || connection?.kind !== "worker" || (isReady && !unacknowledged.length)) return;
    ackTimeoutMs = ackTimeoutMs * 2 || ACK_TIMEOUT_MS;
    watchdog = setTimeout(onTimeout, ackTimeoutMs);
  };
  const onTimeout = () => {
    // Firefox does not report every worker that cannot start, and gives every later tab the same one. It also gives a tab
    // a worker that is ending, again and again where it takes long: one that has worked is waited for.
    if (!hasWorked && ackTimeoutMs > ACK_TIMEOUT_MS) giveUpWorker();
    reconnect();
  };
  const giveUpWorker = () => {
    isWorkerBroken = true;
    console.warn("telemetry: no worker", url.href);
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
        isReady = hasWorked = true;
        unsent = [...unacknowledged];
        reportVisibility();
        onAck();
        notifyState();
      },
      onStored(seq) {
        if (!isCurrent()) return;
        unacknowledged = unacknowledged.filter((event) => event.seq > seq);
        if (refused) reportVisibility();
        onAck();
      },
      onEnded() {
        // Soon, but in no loop where somebody steals the session's lock again and again.
        if (isCurrent()) reconnectAfter(Math.max(ENDING_MS, startedMs + ACK_TIMEOUT_MS - performance.now()));
      },
      onShutdown({ id, unstored }) {
        isOptedOutInPage ||= !!unstored;
        if (connection !== newConnection) return;
        if (unstored) onOptOut();
        // This tab has acted on its own opt-out already; what it logged since is for the next session.
        else if (id?.startsWith(tabId)) reconnect();
        // The opt-out of another tab comes as a storage event, too. Before it nobody knows what was logged since.
        else reconnectAfter(ECHO_MS / 5);
      },
      onFailed() {
        if (connection !== newConnection) return;
        giveUpWorker();
        reconnect();
      },
    };
    /** @type {Connection} */
    let newConnection;
    startedMs = performance.now();
    try {
      if (isWorkerBroken) throw isWorkerBroken;
      newConnection = connectToWorker(startWorker, type, listener);
    } catch {
      newConnection = connectInPage(options, syncConsent, listener);
    }
    connection = newConnection;
    startWatchdog();
    notifyState();
  };

  /**
   * Send what the task has logged after its first event, in one message. The first has left at once, so that a page which
   * hangs or crashes right after a click loses nothing.
   */
  const sendUnsent = () => {
    isConsentCurrent = false;
    if (unsent.length && syncConsent() && isReady) connection?.send(unsent);
    unsent = [];
  };

  const reportVisibility = () => {
    sendUnsent();
    connection?.setVisibility(document.hidden, refused);
    refused = 0;
  };

  /** @param {import("./protocol.js").ShutdownMessage} [shutdown] ends the session for all tabs */
  const disconnect = (shutdown) => {
    stopWatchdog();
    connection?.close(shutdown, isEnabled());
    connection = undefined;
    isReady = false;
  };

  /** Replace a session that has ended or does not respond. READY sends the unacknowledged events again. */
  const reconnect = () => {
    disconnect();
    syncConsent();
  };

  /** @param {number} delayMs milliseconds during which events wait */
  const reconnectAfter = (delayMs) => {
    isReady = false;
    stopWatchdog();
    watchdog = setTimeout(reconnect, delayMs);
    notifyState();
  };

  /**
   * Drop all events, and end the session: a worker's only if consent has not been given again since, because other tabs
   * share it.
   *
   * @param {import("./protocol.js").ShutdownMessage} [shutdown] default: this tab has only read of the opt-out
   */
  const stop = (shutdown = { type: SHUTDOWN, unstored: isOptedOutInPage, echo: true }) => {
    unacknowledged = [];
    unsent = [];
    refused = 0;
    disconnect(shutdown);
    notifyState();
  };

  /** Another context of the origin has withdrawn consent: this session has ended, even if it has been given again. */
  const onOptOut = () => {
    stop();
    hadConsent = false;
    syncConsent();
  };

  /** Connect or disconnect according to the current consent, and return it. */
  const syncConsent = () => {
    if (isOptedOutInPage && readItem(options.consentKey) !== "false") storeOptOut();
    const hasConsent = isEnabled();
    if (hasConsent && !connection) start();
    if (!hasConsent && hadConsent) {
      stop();
      deleteOutboxes(options);
    }
    return (hadConsent = hasConsent);
  };

  /**
   * Tell all workers that there is no consent, also those of other builds and those that have outlived their tabs.
   *
   * @param {import("./protocol.js").ShutdownMessage} shutdown
   */
  const broadcast = (shutdown) => {
    const channel = new BroadcastChannel(options.consentKey);
    channel.postMessage(shutdown);
    channel.close();
  };

  /**
   * Write the consent, and tell the other clients of this page: browsers send them no storage event.
   *
   * @param {string} newValue
   */
  const announceConsent = (newValue) => {
    syncConsent();
    dispatchEvent(new StorageEvent("storage", { key: options.consentKey, newValue }));
  };

  addEventListener("storage", ({ key, newValue }) => {
    // Also when it is removed: an opt-in begins with that.
    if (key === options.consentKey && newValue !== "false") isOptedOutInPage = false;
    if (key === options.consentKey && newValue === "false") onOptOut();
    // A null key means that the whole storage was cleared.
    else if (key === options.consentKey || key === null) syncConsent();
  });
  // Often the last event of a tab that closes. The worker may flush on this message, so check the consent first.
  addEventListener("visibilitychange", () => syncConsent() && reportVisibility());
  addEventListener("pagehide", ({ persisted }) => persisted && connection?.suspend());
  // A page in the back/forward cache receives no messages: its worker may have terminated meanwhile.
  addEventListener("pageshow", ({ persisted }) => persisted && reconnect());
  if (!syncConsent()) broadcast({ type: SHUTDOWN, echo: true });

  return {
    isEnabled,
    state,
    logEvent(details) {
      try {
        // Throws unless it is an object.
        Reflect.ownKeys(details);
        // A snapshot: the event may be sent later, and more than once. Taken first, because getters may do anything.
        const { eventName = "ui_event", ...params } = snapshot(details);
        if (!(isConsentCurrent ? hadConsent : syncConsent())) return false;
        if (unacknowledged.length >= options.maxWaitingEvents) {
          refused++;
          return false;
        }
        const event = {
          installation_id: installationId,
          event_name: eventName,
          timestamp_ns: Date.now() * NANOSECONDS_PER_MILLISECOND,
          params,
          tab_id: tabId,
          seq: seq++,
        };
        unacknowledged.push(event);
        if (isConsentCurrent) unsent.push(event);
        else {
          isConsentCurrent = true;
          if (isReady) connection?.send([event]);
          queueMicrotask(sendUnsent);
        }
        startWatchdog();
        return true;
      } catch (error) {
        if (hadConsent) refused++;
        console.warn("telemetry: event dropped", error);
        return false;
      }
    },
    optOut() {
      isOptedOutInPage = !storeOptOut();
      /** @type {import("./protocol.js").ShutdownMessage} */
      const shutdown = { type: SHUTDOWN, id: tabId + createUuid(), unstored: isOptedOutInPage, timeMs: Date.now() };
      broadcast(shutdown);
      stop(shutdown);
      announceConsent("false");
      return !isOptedOutInPage;
    },
    optIn() {
      isOptedOutInPage = false;
      // A new value, also after an opt-out that could not be stored: the other tabs receive an event.
      removeItem(options.consentKey);
      writeItem(options.consentKey, "true");
      announceConsent("true");
    },
  };
}
