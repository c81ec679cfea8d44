/**
 * The worker's side of the ports: one session for all tabs of an origin, so that any number of tabs cost
 * one timer, one queue and one request.
 *
 * @module
 */

import { ENDPOINT_PATH, LOG_EVENT, LOOK, READY, SHUTDOWN, STORED } from "./protocol.js";
import { createSession } from "./telemetry-session.js";
import { createUuid } from "./uuid.js";

/** Serves every tab that connects to this SharedWorker. To be called in its script's first turn. */
export function serveTabs() {
  const begin = () => createSession(new URL(ENDPOINT_PATH, location.href));
  let session = begin();
  let isShutDown = false;
  /**
   * The ports of all tabs that ever connected, and whether nobody looks at the tab, as far as it told;
   * there is no telling which of them are gone.
   *
   * @type {Map<MessagePort, boolean>}
   */
  const ports = new Map();

  /**
   * @param {MessagePort} port
   * @param {import("./protocol.js").ToTab} message
   */
  const tell = (port, message) => port.postMessage(message);

  /** @param {MessagePort} port */
  const serve = async (port) => {
    // A browser may hand a new start to a worker that is just ending, and tell nobody. So this worker
    // never ends by itself: after a SHUTDOWN it idles until somebody starts it anew.
    if (isShutDown) session = begin();
    isShutDown = false;
    const joined = session;
    const tab_id = createUuid();
    let seq = 0;
    let unsettled = 0;
    let highest = -1;
    ports.set(port, false);

    /** @param {{data: any}} message a {@link import("./protocol.js").ToWorker}, unchecked */
    port.onmessage = async ({ data }) => {
      const type = data?.type;
      if (type === LOG_EVENT) {
        highest = Math.max(highest, data.payload?.seq ?? highest);
        unsettled++;
        await joined.logEvent(data.payload, { tab_id, seq: seq++ });
        // One word for all that came together; a tab that numbers nothing expects none.
        if (!--unsettled && highest >= 0) tell(port, { type: STORED, seq: highest });
      } else if (type === LOOK && ports.has(port)) {
        ports.set(port, data.isAway);
        if (![...ports.values()].includes(false)) session.flush(true);
      } else if (type === SHUTDOWN && joined === session && !isShutDown) {
        isShutDown = true;
        session.close();
        for (const each of ports.keys()) tell(each, { type: SHUTDOWN });
        ports.clear();
      }
    };
    // A tab that waits for the lock must find it held.
    await joined.held;
    tell(port, { type: READY, lock: joined.lock });
  };
  addEventListener("connect", (event) => serve(/** @type {MessageEvent} */ (event).ports[0]));
}
