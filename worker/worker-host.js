/**
 * The worker's side of the ports: one session for all tabs of an origin, so that any number of tabs needs only
 * one timer, one queue and one request at a time.
 *
 * @module
 */

import { LOG_EVENT, READY, SHUTDOWN, STORED, VISIBILITY } from "./protocol.js";
import { resolveOptions } from "./options.js";
import { createSession } from "./telemetry-session.js";
import { createUuid } from "./uuid.js";

/**
 * Serve every tab that connects to this SharedWorker. Must be called synchronously by the worker's script: a later
 * call misses the first `connect` event.
 *
 * @param {import("./options.js").TelemetryOptions} [options]
 */
export function serveTabs(options = {}) {
  const startSession = () => createSession(resolveOptions(options, location.href));
  let session = startSession();
  let isShutDown = false;
  /**
   * The port of every tab that ever connected, and whether its page is hidden as far as the tab reported. A port
   * does not show that its tab has closed.
   *
   * @type {Map<MessagePort, boolean>}
   */
  const ports = new Map();

  /**
   * @param {MessagePort} port
   * @param {import("./protocol.js").ToTab} message
   */
  const send = (port, message) => port.postMessage(message);

  /**
   * Handle the messages of one tab, then send READY.
   *
   * @param {MessagePort} port
   */
  const servePort = async (port) => {
    // A browser may connect a new tab to a worker that is about to terminate, without any notice. Therefore this
    // worker never closes itself: after a SHUTDOWN it idles until the next tab connects and starts a new session.
    if (isShutDown) session = startSession();
    isShutDown = false;
    const tabSession = session;
    const tab_id = createUuid();
    let seq = 0;
    let pendingEvents = 0;
    let highestSeq = -1;
    ports.set(port, false);

    /** @param {{data: any}} message a {@link import("./protocol.js").ToWorker}, not validated */
    port.onmessage = async ({ data }) => {
      const type = data?.type;
      if (type === LOG_EVENT) {
        highestSeq = Math.max(highestSeq, data.payload?.seq ?? highestSeq);
        pendingEvents++;
        await tabSession.logEvent(data.payload, { tab_id, seq: seq++ });
        // One acknowledgement for all events that arrive together. A tab that sends no `seq` expects none.
        if (!--pendingEvents && highestSeq >= 0) send(port, { type: STORED, seq: highestSeq });
      } else if (type === VISIBILITY && ports.has(port)) {
        ports.set(port, data.hidden);
        if (![...ports.values()].includes(false)) session.flush(true);
      } else if (type === SHUTDOWN && tabSession === session && !isShutDown) {
        isShutDown = true;
        session.close();
        for (const connectedPort of ports.keys()) send(connectedPort, { type: SHUTDOWN });
        ports.clear();
      }
    };
    // The tab requests this lock on READY and reads a free lock as a terminated worker, so it must be held first.
    await tabSession.lockHeld;
    send(port, { type: READY, lock: tabSession.lock });
  };
  addEventListener("connect", (event) => servePort(/** @type {MessageEvent} */ (event).ports[0]));
}
