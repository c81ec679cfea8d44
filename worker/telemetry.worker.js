/**
 * The SharedWorker: one session for all tabs of an origin, so that any number of tabs cost one timer,
 * one queue and one request.
 *
 * Started as `new SharedWorker(url, { type: "module", name: WORKER_NAME })`.
 *
 * @module
 */

import { ENDPOINT_PATH, LOG_EVENT, READY, SHUTDOWN } from "./protocol.js";
import { TelemetrySession } from "./telemetry-session.js";

/**
 * The two members of SharedWorkerGlobalScope that are used; TypeScript cannot load its library for
 * workers beside the one for pages.
 *
 * @typedef {object} WorkerScope
 * @property {(type: "connect", listener: (event: MessageEvent) => void) => void} addEventListener
 * @property {() => void} close
 */
const scope = /** @type {WorkerScope} */ (/** @type {unknown} */ (globalThis));

const session = new TelemetrySession(new URL(ENDPOINT_PATH, import.meta.url));

/**
 * The ports of all tabs that ever connected; there is no telling which of them are gone.
 *
 * @type {MessagePort[]}
 */
const ports = [];

scope.addEventListener("connect", ({ ports: [port] }) => {
  ports.push(port);
  port.onmessage = ({ data }) => receive(data);
  tell(port, { type: READY });
});

/**
 * @param {MessagePort} port
 * @param {import("./protocol.js").ToTab} message
 */
function tell(port, message) {
  port.postMessage(message);
}

/**
 * Handles one message of a tab. What is no message of the protocol is passed over.
 *
 * @param {any} message a {@link import("./protocol.js").ToWorker}, unchecked
 */
function receive(message) {
  if (message?.type === LOG_EVENT) {
    session.logEvent(message.payload);
  } else if (message?.type === SHUTDOWN) {
    session.close();
    // A tab that has been given consent again may be connected already: nothing else would tell it.
    for (const port of ports) tell(port, { type: SHUTDOWN });
    scope.close();
  }
}
