/**
 * The two ways by which a tab reaches a session: the SharedWorker, or one of its own in the page.
 *
 * @module
 */

import { LOG_EVENT, LOOK, READY, SHUTDOWN, STORED } from "./protocol.js";
import { createSession } from "./telemetry-session.js";

/** @typedef {import("./protocol.js").LogEvent & {tab_id: string, seq: number}} LogEvent */
/** @typedef {import("./protocol.js").ToWorker} ToWorker */

/**
 * What a session tells its tab.
 *
 * @typedef {object} Listener
 * @property {() => void} onReady events may be sent
 * @property {(seq: number) => void} onStored events up to this one need not be kept any longer
 * @property {() => void} onEnded the session is gone; what is not stored was lost with it
 */

/**
 * @typedef {object} Connection
 * @property {"worker" | "page"} kind where the session runs
 * @property {(event: LogEvent) => void} send
 * @property {(isAway: boolean) => void} look tells whether somebody looks at this tab
 * @property {(isWithdrawn: boolean) => void} close leaves; with `isWithdrawn` the session ends for all tabs
 */

/**
 * @param {URL} url the worker's script
 * @param {WorkerOptions} options
 * @param {Listener} listener
 * @returns {Connection}
 * @throws where SharedWorker does not exist or is refused
 */
export function connectToWorker(url, options, { onReady, onStored, onEnded }) {
  const { port } = new SharedWorker(url, options);
  const left = new AbortController();
  port.onmessage = ({ data }) => {
    if (data.type === READY) {
      onReady();
      // Granted when the worker is gone, however it went: nothing else tells.
      navigator.locks?.request(data.lock, { mode: "shared", signal: left.signal }, onEnded).catch(() => {});
    }
    if (data.type === STORED) onStored(data.seq);
    if (data.type === SHUTDOWN) onEnded();
  };
  /** @param {ToWorker} message */
  const post = (message) => port.postMessage(message);
  return {
    kind: "worker",
    send: (payload) => post({ type: LOG_EVENT, payload }),
    look: (isAway) => post({ type: LOOK, isAway }),
    close(isWithdrawn) {
      // The one message that does not wait for READY: other tabs' events may be queued already.
      post(isWithdrawn ? { type: SHUTDOWN } : { type: LOOK, isAway: true });
      left.abort();
      port.close();
    },
  };
}

/**
 * Timers of hidden pages are slowed down by browsers, so that a flush may come up to a minute late.
 *
 * @param {URL} endpoint the telemetry endpoint
 * @param {() => boolean} mayPost asked before every POST
 * @param {Listener} listener
 * @returns {Connection}
 */
export function connectInPage(endpoint, mayPost, { onReady, onStored }) {
  const session = createSession(endpoint, mayPost);
  session.held.then(onReady);
  return {
    kind: "page",
    send: (event) => session.logEvent(event).then(() => onStored(event.seq)),
    look: (isAway) => isAway && session.flush(true),
    close: (isWithdrawn) => isWithdrawn && session.close(),
  };
}
