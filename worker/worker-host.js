/**
 * The worker's side of the ports: one session for all tabs of an origin, so that any number of tabs needs only
 * one timer, one queue and one request at a time.
 *
 * @module
 */

import { resolveOptions } from "./options.js";
import { ECHO_MS, LINGER_MS, LOG_EVENT, LOG_EVENTS, READY, SHUTDOWN, STORED, VISIBILITY } from "./protocol.js";
import { createSession } from "./telemetry-session.js";
import { createUuid } from "./uuid.js";

/**
 * Serve every tab that connects to this SharedWorker. Must be called synchronously by the worker's script: a later
 * call misses the first `connect` event.
 *
 * @param {import("./options.js").TelemetryOptions} [options]
 */
export function serveTabs(options = {}) {
  const resolvedOptions = resolveOptions(options, location.href);
  const startSession = () => createSession(resolvedOptions);
  let session = startSession();
  let isShutDown = false;
  /** Ids of the opt-outs so far, each of which may arrive through a port and through the channel. */
  const optOuts = new Set();
  /** Time of the last of them, as of `performance.now()`. */
  let lastOptOutMs = -Infinity;
  /**
   * The port of every tab, and whether its page is hidden as far as the tab reported. A port does not show that its tab
   * has closed: the tab's lock does, where the browser has locks.
   *
   * @type {Map<MessagePort, boolean>}
   */
  const ports = new Map();
  /** Timer of the next check while no tab is left. */
  let linger = 0;

  /** The tabs or their visibility have changed: send what is queued while there is time. */
  const onTabsChange = () => {
    if (!ports.size) checkLinger(false);
    else if (![...ports.values()].includes(false)) session.flush(true);
  };

  /**
   * Send what is queued, all of it, while no tab is left; then end. The browser lets an extended worker run on.
   *
   * @param {boolean} wasIdle whether nothing was queued at the last check
   */
  const checkLinger = (wasIdle) => {
    clearTimeout(linger);
    if (ports.size) return;
    const isIdle = !session.hasEvents();
    if (isIdle && wasIdle) self.close();
    session.flush();
    linger = setTimeout(checkLinger, LINGER_MS, isIdle);
  };

  /**
   * Consent is withdrawn: end the session, and tell all tabs.
   *
   * @param {import("./protocol.js").ShutdownMessage} message
   */
  const shutDown = (message) => {
    isShutDown = true;
    session.close(message.timeMs);
    for (const port of ports.keys()) port.postMessage(message);
    onTabsChange();
  };

  /**
   * @param {import("./protocol.js").ShutdownMessage} message
   * @param {unknown} isCurrent whether it is meant for the current session. One with an id is: it arrives once
   */
  const onShutdown = (message, isCurrent) => {
    const isKnown = message.echo ? performance.now() - lastOptOutMs < ECHO_MS : optOuts.has(message.id);
    if (message.id) {
      optOuts.add(message.id);
      lastOptOutMs = performance.now();
    }
    if (isCurrent && !isKnown && !isShutDown) shutDown(message);
  };

  /**
   * Handle the messages of one tab, then send READY.
   *
   * @param {MessagePort} port
   */
  const servePort = async (port) => {
    // A browser may connect a new tab to a worker that is about to terminate, without any notice. Therefore a worker
    // with tabs never closes itself: after a SHUTDOWN it idles until the next tab connects and starts a new session.
    if (isShutDown) session = startSession();
    isShutDown = false;
    let tabSession = session;
    const tab_id = createUuid();
    let seq = 0;
    let pendingEvents = 0;
    let highestSeq = -1;
    let isDurable = true;
    /** Whether the port serves one session only: its tab reports its visibility, and so connects again to the next. */
    let isBound = false;
    let isWatched = false;
    ports.set(port, false);

    /** @param {{data: any}} message a {@link import("./protocol.js").ToWorker}, not validated */
    const onMessage = async ({ data }) => {
      const type = data?.type;
      // A tab that keeps its port over another tab's SHUTDOWN joins the session that follows.
      if (!isBound) tabSession = session;
      isBound ||= type === VISIBILITY || type === SHUTDOWN;
      if (data?.lock && !isWatched) {
        isWatched = true;
        const onTabEnded = () => {
          isWatched = false;
          ports.delete(port);
          onTabsChange();
        };
        navigator.locks?.request(data.lock, onTabEnded).catch(() => {});
      }
      if (type === LOG_EVENTS) {
        // What is not a list is one wrong event.
        [data.payload].flat().forEach((payload) => onMessage({ data: { type: LOG_EVENT, payload } }));
      } else if (type === LOG_EVENT) {
        if (data.payload?.seq > highestSeq) highestSeq = data.payload.seq;
        pendingEvents++;
        if ((await tabSession.logEvent(data.payload, { tab_id, seq: seq++ })) === false) isDurable = false;
        if (--pendingEvents) return;
        // One acknowledgement for all events that arrive together. A tab that sends no `seq` expects none.
        if (highestSeq >= 0) port.postMessage({ type: STORED, seq: highestSeq, ...(!isDurable && { durable: false }) });
        isDurable = true;
      } else if (type === VISIBILITY) {
        ports.set(port, data.hidden);
        if (Number.isSafeInteger(data.dropped) && data.dropped > 0) tabSession.countDropped(data.dropped);
        onTabsChange();
      } else if (type === SHUTDOWN) onShutdown(data, data.id || tabSession === session);
    };
    port.onmessage = onMessage;
    // The tab requests this lock on READY and reads a free lock as a terminated worker, so it must be held first.
    await tabSession.lockHeld;
    port.postMessage({ type: READY, lock: tabSession.lock });
  };
  addEventListener("connect", (event) => servePort(/** @type {MessageEvent} */ (event).ports[0]));
  new BroadcastChannel(resolvedOptions.consentKey).onmessage = ({ data }) => data && onShutdown(data, true);
}
