// The worker's ports to tabs: how many messages the worker has read on each, so that time can wait until it has
// read what the tabs posted. A tab introduces its port by one message of the plugin, which the app never sees: not
// before the worker reads the port, because whom it passes an unread port on to reads what is on its way.
const ports = (() => {
  // A worker that has not started a port so long after its connect event does not read it; real time.
  const START_PATIENCE_MS = 500;
  // How long messages are waited for on a port that no tab has introduced; real time.
  const ANONYMOUS_PATIENCE_MS = 3000;

  /**
   * @typedef {object} PortState
   * @property {MessagePort} port
   * @property {string | null} id of the tab's end, once it is introduced
   * @property {MessagePort} ownPort on which the plugin posts to the tab: the same, unless the page does not read it
   * @property {number} readCount messages of the app that the worker has read
   * @property {boolean} isStarted whether the worker reads the port
   * @property {boolean} isReady whether it has read the port at the end of a task
   * @property {boolean} isTransferred whether the worker or the tab has passed the port on to another realm
   * @property {number} connectedMs real time of the connect event
   * @property {boolean} hasPosted whether the worker has posted on it since the plugin did
   */
  /**
   * How many messages the tabs have posted.
   *
   * @typedef {object} Posted
   * @property {Record<string, number>} introduced by the ids of ports
   * @property {number[]} anonymous on ports that were not introduced, such as ports that a tab has closed
   */
  /** @type {PortState[]} */
  const states = [];
  /** @type {WeakMap<object, PortState>} */
  const byPort = new WeakMap();
  /** @type {Map<string, PortState>} */
  const byId = new Map();
  /** Ports without introduction whose messages never came. */
  let missing = 0;
  /** @type {(value?: unknown) => void} */
  let wake = () => {};

  self.addEventListener("connect", (event) => {
    const [port] = /** @type {MessageEvent} */ (event).ports;
    /** @type {PortState} */
    const state = {
      port, ownPort: port, id: null, readCount: 0, isStarted: false, isReady: false, isTransferred: false,
      connectedMs: control.realNow(), hasPosted: false,
    };
    states.push(state);
    byPort.set(port, state);
    report();
    work.setRealTimeout(report, START_PATIENCE_MS + 10);
    wake();
    listen(port, "message", (message) => {
      const own = message.data && message.data[settings.mark];
      if (own) {
        message.stopImmediatePropagation();
        if (own.isPassedOn) {
          state.isTransferred = true;
          state.readCount += 1;
          control.onPassedOn(own.port);
        } else if (own.nextDueMs === undefined) {
          state.id = own.port;
          state.isTransferred = false;
          state.ownPort = message.ports[0] ?? port;
          byId.set(own.port, state);
          control.send({ event: "port", port: own.port });
          report();
        } else {
          control.onTabClock(own.port, own.nextDueMs, own.posted);
        }
      } else if (message.isTrusted) {
        state.readCount += 1;
      }
      wake();
    });
    listen(port, "messageerror", () => {
      state.readCount += 1;
      wake();
    });
  });

  const isUnread = (/** @type {PortState} */ state) => state.isTransferred
    || (!state.isStarted && control.realNow() - state.connectedMs > START_PATIENCE_MS);
  let reported = "";
  const report = () => {
    const anonymous = states.filter(({ id }) => id === null);
    const kept = anonymous.filter(({ isTransferred }) => !isTransferred);
    const counts = {
      connected: kept.length,
      ready: kept.filter(({ isReady }) => isReady).length,
      unread: kept.filter(isUnread).length,
      passedOn: anonymous.length - kept.length,
    };
    if (reported !== JSON.stringify(counts)) {
      reported = JSON.stringify(counts);
      control.send({ event: "anonymousPorts", ...counts });
    }
  };

  // What is on its way comes soon after this, and not before: the script has run, or waits for something.
  work.setRealTimeout(() => control.send({ event: "scriptRan" }), 0);

  // --- what the worker does with its ports ----------------------------------------------------
  const { prototype } = MessagePort;
  const nativePost = /** @type {Function} */ (prototype.postMessage);
  const noteStart = (/** @type {MessagePort} */ port) => {
    const state = byPort.get(port);
    if (state && !state.isStarted) {
      state.isStarted = true;
      // Not before the end of the task, in which the worker may pass it on.
      work.setRealTimeout(() => {
        state.isReady = true;
        report();
      }, 0);
    }
  };
  replace.method(prototype, "start", (native, port, args) => {
    native(port, args);
    noteStart(port);
  });
  replace.setter(prototype, "onmessage", (native, port, args) => {
    native(port, args);
    noteStart(port);
  });
  const noteTransfer = (/** @type {any} */ port) => {
    const state = byPort.get(port);
    if (!state || state.isTransferred) {
      return;
    }
    state.isTransferred = true;
    if (state.id === null) {
      report();
      return;
    }
    control.onPassedOn(state.id);
    if (state.ownPort !== state.port) {
      nativePost.call(state.ownPort, { [settings.mark]: { isPassedOn: true } });
    }
  };
  for (const Sender of [MessagePort, self.Worker]) {
    replace.method(Sender?.prototype, "postMessage", (native, sender, args) => {
      const state = byPort.get(sender);
      if (state && state.id !== null) {
        control.beforePost(state.id);
        state.hasPosted = true;
      }
      native(sender, args);
      listTransferred(args[1]).forEach(noteTransfer);
    });
  }

  // --- waiting --------------------------------------------------------------------------------
  // The number of anonymous ports whose messages have not come.
  const countMissing = (/** @type {Posted} */ { introduced, anonymous: counts }) => {
    // A port may have been introduced since the tabs were read.
    const anonymous = states.filter(({ id }) => id === null || !(id in introduced));
    const reads = anonymous.filter((state) => !isUnread(state)).map(({ readCount }) => readCount);
    reads.sort((a, b) => b - a);
    const wanted = [...counts].sort((a, b) => b - a).slice(anonymous.length - reads.length);
    return wanted.filter((count, index) => !(reads[index] >= count)).length;
  };
  const countUnread = (/** @type {Posted} */ posted) => {
    let unread = 0;
    for (const [id, count] of Object.entries(posted.introduced)) {
      const state = byId.get(id);
      if (state && !isUnread(state) && state.readCount < count) {
        unread += 1;
      }
    }
    return unread + Math.max(0, countMissing(posted) - missing);
  };

  return {
    /**
     * Posts a message of the plugin, which the app never sees.
     *
     * @param {string} id
     * @param {object} message
     */
    post: (id, message) => {
      const state = byId.get(id);
      if (state) {
        nativePost.call(state.ownPort, { [settings.mark]: message });
        state.hasPosted = false;
      }
    },
    /** Whether the port is the worker's own. */
    isKept: (/** @type {string} */ id) => !byId.get(id)?.isTransferred,
    /** Whether the worker has posted on the port since the plugin did. */
    hasPosted: (/** @type {string} */ id) => Boolean(byId.get(id)?.hasPosted),
    /** Waits until the worker has read what the tabs posted, on the ports that it reads. */
    untilRead: async (/** @type {Posted | undefined} */ posted) => {
      if (!posted || !countUnread(posted)) {
        return;
      }
      const item = work.begin(`messages on ${countUnread(posted)} of its ports`);
      const begin = control.realNow();
      while (countUnread(posted)) {
        await new Promise((resolve) => {
          wake = resolve;
          work.setRealTimeout(resolve, 50);
        });
        if (control.realNow() - begin > ANONYMOUS_PATIENCE_MS) {
          missing = Math.max(missing, countMissing(posted));
        }
      }
      work.end(item);
    },
    /** The ports that the worker does not read. */
    listUnread: () => states.filter(isUnread).map(({ isTransferred, readCount }) => ({ isTransferred, readCount })),
  };
})();
