/**
 * The two ways by which a tab reaches a session: the SharedWorker, or one of its own in the page.
 *
 * @module
 */

import { LOG_EVENT, READY, SHUTDOWN } from "./protocol.js";

/** @typedef {import("./protocol.js").LogEvent} LogEvent */
/** @typedef {import("./protocol.js").ToWorker} ToWorker */

/**
 * @typedef {object} Connection
 * @property {"worker" | "page"} kind where the session runs
 * @property {Promise<void>} ready settles when events may be sent; may never settle
 * @property {(event: LogEvent) => void} send may throw the browser's error for an event that cannot be copied
 * @property {(withdrawn: boolean) => void} close leaves; with `withdrawn` the session ends for all tabs
 */

/**
 * @param {URL} url the worker's script
 * @param {string} name the worker's name
 * @param {() => void} onEnded called when the worker says that it has ended
 * @returns {Connection}
 * @throws where SharedWorker does not exist or is refused
 */
export function connectToWorker(url, name, onEnded) {
  const { port } = new SharedWorker(url, { type: "module", name });
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => {
    port.onmessage = ({ data }) => {
      if (data?.type === READY) resolve();
      else if (data?.type === SHUTDOWN) onEnded();
    };
  });
  /** @param {ToWorker} message */
  const post = (message) => port.postMessage(message);
  return {
    kind: "worker",
    ready,
    send: (payload) => post({ type: LOG_EVENT, payload }),
    close(withdrawn) {
      // The one message that does not wait for READY: other tabs' events may be queued already.
      if (withdrawn) post({ type: SHUTDOWN });
      port.onmessage = null;
      port.close();
    },
  };
}

/**
 * Timers of hidden pages are slowed down by browsers, so that a flush may come up to a minute late.
 *
 * @param {URL} endpoint the telemetry endpoint
 * @param {() => boolean} mayPost asked before every POST
 * @returns {Connection}
 */
export function connectInPage(endpoint, mayPost) {
  /** @type {import("./telemetry-session.js").TelemetrySession | undefined} */
  let session;
  let closed = false;
  return {
    kind: "page",
    ready: import("./telemetry-session.js").then(({ TelemetrySession }) => {
      if (!closed) session = new TelemetrySession(endpoint, mayPost);
    }),
    send: (event) => session?.logEvent(event),
    close() {
      closed = true;
      session?.close();
    },
  };
}
