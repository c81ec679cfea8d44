/**
 * The tab's side: tells events to the worker, with consent only.
 *
 *     const telemetry = createTelemetryClient({ workerUrl: "static-files/telemetry.worker.js" });
 *     telemetry.logEvent({ componentId: "save-button", eventType: "onClick" });
 *
 * @module
 */

import { readItem, writeItem } from "./browser-storage.js";
import { connectInPage, connectToWorker } from "./connections.js";
import {
  ENABLED_KEY,
  ENDPOINT_PATH,
  INSTALLATION_ID_KEY,
  MAX_WAITING_EVENTS,
  READY_TIMEOUT_MS,
  WORKER_NAME,
} from "./protocol.js";
import { createUuid } from "./uuid.js";

/** @typedef {import("./protocol.js").LogEvent} LogEvent */
/** @typedef {import("./connections.js").Connection} Connection */

/**
 * @typedef {object} ClientOptions
 * @property {string | URL} workerUrl the worker's script, relative to the page
 * @property {string} [name] the worker's name
 * @property {string} [installationIdKey] localStorage key
 * @property {string} [enabledKey] localStorage key
 * @property {number} [readyTimeoutMs] first wait for READY; each further attempt waits twice as long
 */

/** @typedef {"off" | "starting" | "worker" | "page"} ClientState */

const NANOSECONDS_PER_MILLISECOND = 1e6;

/**
 * Connects to the worker where there is consent, and follows the consent from then on.
 *
 * @param {ClientOptions} options
 * @returns {TelemetryClient}
 * @throws {TypeError} when `workerUrl` is no URL
 */
export function createTelemetryClient(options) {
  return new TelemetryClient(options);
}

/**
 * Dispatches `statechange` when {@link TelemetryClient.state} may have changed.
 *
 * Consent is looked up in localStorage at every event: it may have been withdrawn in another tab a
 * moment ago. Where storage is refused nobody could opt out for keeps, so that telemetry is off.
 */
class TelemetryClient extends EventTarget {
  #workerUrl;
  #name;
  #installationIdKey;
  #enabledKey;
  #readyTimeoutMs;
  /** @type {Connection | null} */
  #connection = null;
  #ready = false;
  /**
   * Events that came before READY, in order.
   *
   * @type {LogEvent[]}
   */
  #waiting = [];
  /** An opt-out that could not be stored holds as long as the page does. */
  #optedOutHere = false;
  /** @type {string | undefined} */
  #unstoredInstallationId;

  /** @param {ClientOptions} options */
  constructor({
    workerUrl,
    name = WORKER_NAME,
    installationIdKey = INSTALLATION_ID_KEY,
    enabledKey = ENABLED_KEY,
    readyTimeoutMs = READY_TIMEOUT_MS,
  }) {
    super();
    this.#workerUrl = new URL(workerUrl, document.baseURI);
    this.#name = name;
    this.#installationIdKey = installationIdKey;
    this.#enabledKey = enabledKey;
    this.#readyTimeoutMs = readyTimeoutMs;
    addEventListener("storage", ({ key, newValue }) => {
      // A key of null says that the whole storage was cleared.
      if (key !== enabledKey && key !== null) return;
      // The worker is gone even where consent has been given again since.
      if (newValue === "false") this.#stop();
      this.#followConsent();
    });
    this.#followConsent();
  }

  /** Whether there is consent, here and now. */
  get enabled() {
    const stored = readItem(this.#enabledKey);
    return !this.#optedOutHere && stored !== undefined && stored !== "false";
  }

  /**
   * "off" without consent, "starting" before READY, then "worker" or "page": where the session runs.
   *
   * @returns {ClientState}
   */
  get state() {
    if (!this.#connection) return "off";
    return this.#ready ? this.#connection.kind : "starting";
  }

  /**
   * Tells one event to the session, at once or after READY. Storage, consent and worker make it throw nothing.
   *
   * @param {{eventName?: string, componentId?: string, [name: string]: unknown}} event
   *   `eventName` is "ui_event" when left out; everything else becomes the event's params
   * @returns {boolean} whether the event was taken; false without consent
   */
  logEvent({ eventName = "ui_event", ...params }) {
    if (!this.#followConsent()) return false;
    const event = {
      installation_id: this.#installationId(),
      event_name: eventName,
      timestamp_ns: Date.now() * NANOSECONDS_PER_MILLISECOND,
      params,
    };
    if (this.#ready) return this.#send(event);
    if (this.#waiting.length >= MAX_WAITING_EVENTS) return false;
    this.#waiting.push(event);
    return true;
  }

  /** Withdraws consent in all tabs: what is queued is dropped and the worker ends. */
  optOut() {
    this.#optedOutHere = !writeItem(this.#enabledKey, "false");
    this.#followConsent();
  }

  /** Gives consent in all tabs; a new worker starts, without a reload. */
  optIn() {
    this.#optedOutHere = false;
    writeItem(this.#enabledKey, "true");
    this.#followConsent();
  }

  /**
   * Brings the connection in line with the consent as it stands now.
   *
   * @returns {boolean} whether there is consent
   */
  #followConsent() {
    const { enabled } = this;
    if (!enabled) this.#stop();
    else if (!this.#connection) this.#start(this.#readyTimeoutMs);
    return enabled;
  }

  /** @param {number} timeoutMs after which another attempt is made: an ending worker never says READY */
  #start(timeoutMs) {
    const connection = this.#connect();
    this.#connection = connection;
    const isCurrent = () => this.#connection === connection;
    const retry = setTimeout(() => {
      if (!isCurrent()) return;
      connection.close(false);
      if (this.enabled) this.#start(timeoutMs * 2);
      else this.#stop();
    }, timeoutMs);
    connection.ready.then(
      () => {
        clearTimeout(retry);
        if (isCurrent() && this.#followConsent()) this.#open();
      },
      (error) => console.warn("telemetry: not started", error),
    );
    this.#dispatchStateChange();
  }

  /** @returns {Connection} */
  #connect() {
    try {
      return connectToWorker(this.#workerUrl, this.#name, () => this.#reconnect());
    } catch {
      return connectInPage(new URL(ENDPOINT_PATH, this.#workerUrl), () => this.#followConsent());
    }
  }

  /** Leaves a worker that has ended; what waits here goes to the next one, if there is consent. */
  #reconnect() {
    this.#disconnect(false);
    this.#followConsent();
  }

  /** Sends what waited. */
  #open() {
    this.#ready = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const event of waiting) this.#send(event);
    this.#dispatchStateChange();
  }

  /** Leaves the session, and ends it for all tabs unless consent has been given again since. */
  #stop() {
    this.#waiting = [];
    this.#disconnect(!this.enabled);
  }

  /** @param {boolean} withdrawn whether the session has to end for all tabs */
  #disconnect(withdrawn) {
    if (!this.#connection) return;
    this.#connection.close(withdrawn);
    this.#connection = null;
    this.#ready = false;
    this.#dispatchStateChange();
  }

  /**
   * @param {LogEvent} event
   * @returns {boolean} whether it was sent
   */
  #send(event) {
    try {
      this.#connection?.send(event);
      return true;
    } catch (error) {
      console.warn("telemetry: an event that cannot be copied was dropped", error);
      return false;
    }
  }

  #dispatchStateChange() {
    this.dispatchEvent(new Event("statechange"));
  }

  /** Looked up at every event: tabs that made one at the same time agree on the one stored last. */
  #installationId() {
    const stored = readItem(this.#installationIdKey);
    if (stored) return stored;
    const id = this.#unstoredInstallationId ?? createUuid();
    if (!writeItem(this.#installationIdKey, id)) this.#unstoredInstallationId = id;
    return id;
  }
}
