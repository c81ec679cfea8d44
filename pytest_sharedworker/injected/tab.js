// Runs in every tab before the page's own scripts: keeps the ports of its SharedWorkers and counts what the page
// posts on them, so that the plugin can wait until a worker has read it, and keeps the workers' errors.
(() => {
  const NativeSharedWorker = window.SharedWorker;
  const HANDLE = Symbol.for("pytest-sharedworker");
  if (!NativeSharedWorker || HANDLE in window) {
    return;
  }
  /**
   * @typedef {object} PortState
   * @property {MessagePort} port
   * @property {string} id
   * @property {string} url of the worker
   * @property {string} name of the worker
   * @property {number} createdMs real time since 1970
   * @property {number} postedCount
   * @property {boolean} isClosed
   * @property {boolean} hasFailed whether the worker could not be started
   * @property {boolean} isRead whether the page reads the port
   * @property {boolean} isIntroduced whether the worker knows whose port it is
   * @property {MessagePort} [ownPort] on which a worker moves the tab's clock as long as the page does not
   */
  /**
   * @typedef {object} Order of a worker, which moves the tab's clock
   * @property {number} runToMs
   * @property {number} dateMs
   * @property {boolean} isJump
   * @property {boolean} [isSilent] whether the worker waits for no answer
   * @property {boolean} [isPassedOn] whether the worker tells only that it has passed the tab's port on
   */
  /** @type {Map<string, PortState>} */
  const ports = new Map();
  /** @type {WeakMap<object, PortState>} */
  const byPort = new WeakMap();
  /** @type {{ url: string, name: string }[]} */
  const errors = [];
  // Read before the tab's clock becomes virtual.
  const { timeOrigin } = performance;
  const performanceNow = performance.now.bind(performance);
  const random = new Uint32Array(2);
  const makeId = () => crypto.getRandomValues(random).join("-");

  // A lock that this tab releases is free for a worker once the browser has handled the release. It has when
  // it answers a query that was made behind it.
  let usesLocks = false;
  const waitForLocks = () => navigator.locks.query();
  if (navigator.locks) {
    replace.method(LockManager.prototype, "request", (native, self, args) => {
      usesLocks = true;
      return native(self, args);
    });
    ownLocks.hide();
  }

  const timers = settings.virtualClock ? makeTimers(window, Date.now()) : null;
  const nextDueMs = () => timers?.next()?.dueMs ?? null;
  /**
   * @param {Timers} timers
   * @param {Order} order
   */
  const run = async (timers, { runToMs, dateMs, isJump }) => {
    if (isJump) {
      timers.setNow(runToMs);
      timers.postponeTo(runToMs);
    }
    for (let timer = timers.next(); timer && timer.dueMs <= runToMs; timer = timers.next()) {
      await timers.fire(timer);
      timers.endTask();
    }
    timers.setNow(runToMs);
    timers.setDate(dateMs);
  };

  const nativePost = /** @type {Function} */ (MessagePort.prototype.postMessage);
  // Whoever gets a port reads what comes on it: the worker moves this tab's clock on it no more. It has to hear of it
  // before, on the port itself.
  const passOn = (/** @type {NativeCall} */ native, /** @type {any} */ receiver, /** @type {any[]} */ args) => {
    const states = timers ? listTransferred(args[1]).map((each) => byPort.get(each)) : [];
    const introduced = states.filter((state) => state !== undefined).filter(({ isIntroduced }) => isIntroduced);
    for (const state of introduced) {
      state.isIntroduced = false;
      post(state, { isPassedOn: true });
      state.postedCount += 1;
    }
    try {
      native(receiver, args);
    } catch (error) {
      introduced.forEach(introduce);
      throw error;
    }
  };
  if (timers) {
    replace.method(window.Worker?.prototype, "postMessage", passOn);
  }
  if (settings.countsMessages) {
    replace.method(MessagePort.prototype, "postMessage", (native, port, args) => {
      passOn(native, port, args);
      const state = byPort.get(port);
      if (state && !state.isClosed) {
        state.postedCount += 1;
      }
    });
    replace.method(MessagePort.prototype, "close", (native, port, args) => {
      native(port, args);
      const state = byPort.get(port);
      if (state) {
        state.isClosed = true;
      }
    });
  }
  /**
   * @param {PortState} state
   * @param {object} message
   * @param {MessagePort[]} [transferred]
   */
  const post = ({ port, id }, message, transferred = []) => {
    nativePost.call(port, { [settings.mark]: { port: id, ...message } }, transferred);
  };

  // What the other workers of this tab have to read.
  const countPosted = () => Object.fromEntries(
    [...ports.values()].filter(({ hasFailed }) => !hasFailed).map(({ id, postedCount }) => [id, postedCount]),
  );

  // A worker moves the clock of a tab by messages on the tab's port: they arrive in the order of the app's own.
  /**
   * @param {Timers} timers
   * @param {PortState} state
   * @param {MessagePort} port
   */
  const followClock = (timers, state, port) => {
    listen(port, "message", async (event) => {
      const order = event.data && event.data[settings.mark];
      if (order) {
        event.stopImmediatePropagation();
        if (order.isPassedOn) {
          // Somebody else would read another introduction.
          state.ownPort = undefined;
          return;
        }
        await run(timers, order);
        if (order.isSilent) {
          return;
        }
        if (usesLocks) {
          await waitForLocks();
        }
        post(state, { nextDueMs: nextDueMs(), posted: ports.size > 1 ? countPosted() : undefined });
      }
    });
  };

  // What is posted on a port that the page does not read never arrives, and to read it here would take its messages
  // away from a page that reads it later. There the worker gets another one.
  const { MessageChannel: NativeMessageChannel } = window;
  const nativeStart = MessagePort.prototype.start;
  const introduce = (/** @type {PortState} */ state) => {
    state.isIntroduced = true;
    if (!timers || state.isRead) {
      post(state, {});
      return;
    }
    const { port1, port2 } = new NativeMessageChannel();
    state.ownPort = port1;
    followClock(timers, state, port1);
    nativeStart.call(port1);
    post(state, {}, [port2]);
  };
  const noteReading = (/** @type {MessagePort} */ port) => {
    const state = byPort.get(port);
    if (state && !state.isRead) {
      state.isRead = true;
      if (state.ownPort) {
        introduce(state);
      }
    }
  };
  if (timers) {
    replace.method(MessagePort.prototype, "start", (native, port, args) => {
      native(port, args);
      noteReading(port);
    });
    replace.setter(MessagePort.prototype, "onmessage", (native, port, args) => {
      native(port, args);
      noteReading(port);
    });
  }

  const toUrl = (/** @type {string | URL} */ given) => {
    try {
      return String(new URL(given, document.baseURI));
    } catch {
      // The browser throws.
      return "";
    }
  };
  replace.constructor(window, "SharedWorker", (create, given) => {
    const args = given.map((each, index) => (index === 1 ? readOnce(each) : each));
    /** @type {SharedWorker} */
    const worker = create(inlineWorkers.wrap(args, toUrl(args[0])));
    const url = toUrl(args[0]);
    const name = (typeof args[1] === "string" ? args[1] : args[1] && args[1].name) || "";
    /** @type {PortState} */
    const state = {
      port: worker.port, id: makeId(), url, name, createdMs: timeOrigin + performanceNow(),
      postedCount: 0, isClosed: false, hasFailed: false, isRead: false, isIntroduced: false,
    };
    ports.set(state.id, state);
    byPort.set(worker.port, state);
    // An error of an earlier attempt does not count: this is the next one.
    errors.splice(0, Infinity, ...errors.filter((error) => error.url !== url || error.name !== name));
    listen(worker, "error", (event) => {
      // An ErrorEvent comes from a worker that runs, and reports it itself.
      if (!(event instanceof ErrorEvent)) {
        errors.push({ url, name });
        state.hasFailed = true;
      }
    });
    if (timers) {
      followClock(timers, state, state.port);
    }
    return worker;
  });

  replace.addOwn(HANDLE, {
    id: makeId(),
    errors,
    /** The ports whose workers did not fail to start. */
    read: async () => {
      if (usesLocks) {
        await waitForLocks();
      }
      const live = [...ports.values()].filter(({ hasFailed }) => !hasFailed);
      return live.map(({ id, url, name, createdMs, postedCount, isClosed }) => (
        { id, url, name, createdMs, postedCount, isClosed }
      ));
    },
    clock: () => timers && { nowMs: timers.nowMs(), nextDueMs: nextDueMs() },
    introduce: (/** @type {string[]} */ ids) => {
      for (const id of ids) {
        const state = ports.get(id);
        if (state) {
          introduce(state);
        }
      }
    },
  });
})();
