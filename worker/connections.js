/**
 * The two connections of a tab to a session: through the SharedWorker, or to a session in the page itself.
 *
 * @module
 */

import { LOG_EVENT, READY, SHUTDOWN, STORED, VISIBILITY } from "./protocol.js";
import { createSession } from "./telemetry-session.js";

/** @typedef {import("./protocol.js").LogEvent & {tab_id: string, seq: number}} LogEvent */
/** @typedef {import("./protocol.js").ToWorker} ToWorker */

/**
 * Callbacks of a connection.
 *
 * @typedef {object} Listener
 * @property {() => void} onReady the tab may send events
 * @property {(seq: number) => void} onStored acknowledges the events up to and including `seq`
 * @property {() => void} onEnded the session has ended; unacknowledged events are lost with it
 */

/**
 * @typedef {object} Connection
 * @property {"worker" | "page"} kind where the session runs
 * @property {(event: LogEvent) => void} send
 * @property {(hidden: boolean) => void} setVisibility reports the page visibility of this tab
 * @property {(isConsentWithdrawn: boolean) => void} close disconnects; with `isConsentWithdrawn` it also ends the
 *   session for all tabs
 */

/**
 * Connect to the SharedWorker, starting it when it does not run.
 *
 * @param {(options: WorkerOptions) => SharedWorker} createWorker
 * @param {WorkerOptions} options
 * @param {Listener} listener
 * @returns {Connection}
 * @throws where the browser has no SharedWorker or blocks it
 */
export function connectToWorker(createWorker, options, { onReady, onStored, onEnded }) {
  const { port } = createWorker(options);
  const closing = new AbortController();
  port.onmessage = ({ data }) => {
    if (data.type === READY) {
      onReady();
      // The browser grants the lock when the worker terminates, for any reason. No other signal of that exists.
      navigator.locks?.request(data.lock, { mode: "shared", signal: closing.signal }, onEnded).catch(() => {});
    }
    if (data.type === STORED) onStored(data.seq);
    if (data.type === SHUTDOWN) onEnded();
  };
  /** @param {ToWorker} message */
  const post = (message) => port.postMessage(message);
  return {
    kind: "worker",
    send: (payload) => post({ type: LOG_EVENT, payload }),
    setVisibility: (hidden) => post({ type: VISIBILITY, hidden }),
    close(isConsentWithdrawn) {
      // These messages do not wait for READY: the worker may already hold events of other tabs.
      post(isConsentWithdrawn ? { type: SHUTDOWN } : { type: VISIBILITY, hidden: true });
      closing.abort();
      port.close();
    },
  };
}

/**
 * Run a session in the page. Browsers throttle timers of hidden pages, so a flush may be up to a minute late.
 *
 * @param {import("./options.js").ResolvedOptions} options
 * @param {() => boolean} mayPost called before every POST; false closes the session
 * @param {Listener} listener
 * @returns {Connection}
 */
export function connectInPage(options, mayPost, { onReady, onStored }) {
  const session = createSession(options, mayPost);
  session.lockHeld.then(onReady);
  return {
    kind: "page",
    send: (event) => session.logEvent(event).then(() => onStored(event.seq)),
    setVisibility: (hidden) => hidden && session.flush(true),
    close: (isConsentWithdrawn) => isConsentWithdrawn && session.close(),
  };
}
