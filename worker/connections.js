/**
 * The two connections of a tab to a session: through the SharedWorker, or to a session in the page itself.
 *
 * @module
 */

import { LOG_EVENTS, READY, SHUTDOWN, STORED, VISIBILITY, WORKER_NAME } from "./protocol.js";
import { createSession } from "./telemetry-session.js";
import { createUuid } from "./uuid.js";
import { holdLock } from "./web-lock.js";

/** @typedef {import("./protocol.js").LogEvent & {tab_id: string, seq: number}} LogEvent */
/** @typedef {import("./protocol.js").ToWorker} ToWorker */
/** @typedef {import("./protocol.js").ShutdownMessage} ShutdownMessage */

/**
 * Callbacks of a connection.
 *
 * @typedef {object} Listener
 * @property {() => void} onReady the tab may send events
 * @property {(seq: number) => void} onStored acknowledges the events up to and including `seq`
 * @property {() => void} onEnded the session has ended, or somebody has stolen its lock; unacknowledged events may be
 *   lost
 * @property {(message: ShutdownMessage) => void} onShutdown consent was withdrawn in another context of the origin
 * @property {() => void} onFailed the worker's script cannot be loaded
 */

/**
 * @typedef {object} Connection
 * @property {"worker" | "page"} kind where the session runs
 * @property {(events: LogEvent[]) => void} send
 * @property {(hidden: boolean, dropped: number) => void} setVisibility reports the page visibility of this tab, and how
 *   many events it has refused since the last report
 * @property {() => void} suspend lets the page go into the back/forward cache
 * @property {(shutdown: ShutdownMessage | undefined, hasConsent: boolean) => void} close disconnects; a message also drops
 *   the events of the session: of the page's own, or without consent of all tabs
 */

/**
 * Connect to the SharedWorker, starting it when it does not run.
 *
 * @param {(options: WorkerOptions) => SharedWorker} createWorker
 * @param {WorkerType | undefined} type
 * @param {Listener} listener
 * @returns {Connection}
 * @throws where the browser has no SharedWorker or blocks it
 */
export function connectToWorker(createWorker, type, listener) {
  // An extended worker has to know when its last tab has gone, and plain HTTP has no locks that tell it.
  const options = { type, name: WORKER_NAME, extendedLifetime: !!navigator.locks };
  const worker = createWorker(options);
  const { port } = worker;
  const closing = new AbortController();
  const { signal } = closing;
  const lock = createUuid();
  const lockHeld = holdLock(lock, signal);
  worker.onerror = listener.onFailed;
  port.onmessage = async ({ data }) => {
    if (data.type === READY) {
      // Some browsers report later errors of a worker that works.
      worker.onerror = null;
      // The worker reads a free lock as a tab that has ended, so it must be held before the first message.
      await lockHeld;
      listener.onReady();
      // The browser grants the lock when the worker terminates, for any reason. No other signal of that exists.
      navigator.locks?.request(data.lock, { mode: "shared", signal }, listener.onEnded).catch(() => {});
    }
    if (data.type === STORED) listener.onStored(data.seq);
    if (data.type === SHUTDOWN) listener.onShutdown(data);
  };
  /** @param {ToWorker} message */
  const post = (message) => port.postMessage({ ...message, lock });
  return {
    kind: "worker",
    send: (payload) => post({ type: LOG_EVENTS, payload }),
    setVisibility: (hidden, dropped) => post({ type: VISIBILITY, hidden, dropped }),
    // Browsers do not cache a page with a lock. The port stays open for events that the page logs on its way.
    suspend: () => closing.abort(),
    close(shutdown, hasConsent) {
      // These messages do not wait for READY: the worker may already hold events of other tabs.
      post((!hasConsent && shutdown) || { type: VISIBILITY, hidden: true });
      closing.abort();
      port.close();
    },
  };
}

/**
 * Run a session in the page. Browsers throttle timers of hidden pages, so a flush may be up to a minute late.
 *
 * @param {import("./options.js").ResolvedOptions} options
 * @param {() => boolean} mayPost called before every POST; false when it has closed the session
 * @param {Listener} listener
 * @returns {Connection}
 */
export function connectInPage(options, mayPost, listener) {
  const session = createSession(options, mayPost);
  const channel = new BroadcastChannel(options.consentKey);
  let isOver = false;
  // What is stored arrives as a storage event, in order with what follows it.
  channel.onmessage = ({ data }) => data?.unstored && listener.onShutdown(data);
  session.lockHeld.then(listener.onReady);
  /** @param {ShutdownMessage} [shutdown] */
  const end = (shutdown) => {
    isOver = true;
    channel.close();
    if (shutdown) session.close(shutdown.timeMs);
    else session.end();
  };
  return {
    kind: "page",
    // The next session of this page takes the events that come too late for this one.
    send: (events) => events.forEach((event) => session.logEvent(event).then(() => isOver || listener.onStored(event.seq))),
    setVisibility(hidden, dropped) {
      session.countDropped(dropped);
      if (hidden) session.flush(true);
    },
    suspend() {
      session.flush(true);
      end();
    },
    close: end,
  };
}
