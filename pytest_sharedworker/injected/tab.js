// Runs in every tab before the page's own scripts: keeps the ports of its SharedWorkers, so that the plugin
// can wait until a worker has read all that this tab posted, and their errors.
(() => {
  const NativeSharedWorker = window.SharedWorker;
  const HANDLE = Symbol.for("pytest-sharedworker");
  if (!NativeSharedWorker || HANDLE in window) {
    return;
  }
  /** @type {Map<string, MessagePort>} */
  const ports = new Map();
  /** @type {{ url: string, name: string }[]} */
  const errors = [];
  /** @type {Set<string>} */
  const failed = new Set();
  /** URL and name of the worker at each port. @type {Map<string, [string, string]>} */
  const workers = new Map();
  const random = new Uint32Array(2);
  const makeId = () => crypto.getRandomValues(random).join("-");

  // A lock that this tab releases is free for a worker once the browser has handled the release. It has when
  // it answers a query that was made behind it.
  let usesLocks = false;
  const waitForLocks = () => navigator.locks.query();
  if (navigator.locks) {
    const request = /** @type {Function} */ (LockManager.prototype.request);
    LockManager.prototype.request = function (/** @type {unknown[]} */ ...args) {
      usesLocks = true;
      return request.apply(this, args);
    };
  }

  const timers = settings.virtualClock ? makeTimers(window, Date.now()) : null;
  const nextDueMs = () => timers?.next()?.dueMs ?? null;
  /**
   * @param {Timers} timers
   * @param {{ runToMs: number, dateMs: number, isJump: boolean }} order
   */
  const run = async (timers, { runToMs, dateMs, isJump }) => {
    if (isJump) {
      timers.setNow(runToMs);
      timers.postponeTo(runToMs);
    }
    for (let timer = timers.next(); timer && timer.dueMs <= runToMs; timer = timers.next()) {
      timers.fire(timer);
      await null;
      timers.endTask();
    }
    timers.setNow(runToMs);
    timers.setDate(dateMs);
  };

  /**
   * @param {MessagePort} port
   * @param {string} id
   * @param {string} key of the plugin's messages
   */
  const join = (port, id, key) => {
    const { close } = port;
    port.postMessage({ [key]: { port: id, mark: 0 } });
    port.close = () => {
      // Behind all that was posted, and higher than any mark that will be waited for.
      port.postMessage({ [key]: { port: id, mark: Number.MAX_SAFE_INTEGER } });
      close.call(port);
    };
    port.addEventListener("message", async (event) => {
      const order = event.data && event.data[key];
      if (order && timers) {
        event.stopImmediatePropagation();
        await run(timers, order);
        if (usesLocks) {
          await waitForLocks();
        }
        port.postMessage({ [key]: { port: id, nextDueMs: nextDueMs() } });
      }
    });
  };

  window.SharedWorker = class SharedWorker extends NativeSharedWorker {
    constructor(/** @type {[string | URL, (string | WorkerOptions)?]} */ ...args) {
      super(...args);
      const id = makeId();
      ports.set(id, this.port);
      const url = String(new URL(args[0], document.baseURI));
      const name = (typeof args[1] === "string" ? args[1] : args[1] && args[1].name) || "";
      workers.set(id, [url, name]);
      // An error of an earlier attempt does not count: this is the next one.
      errors.splice(0, Infinity, ...errors.filter((error) => error.url !== url || error.name !== name));
      this.addEventListener("error", (event) => {
        // An ErrorEvent comes from a worker that runs, and reports it itself.
        if (!(event instanceof ErrorEvent)) {
          errors.push({ url, name });
          failed.add(id);
        }
      });
      if (settings.mark) {
        join(this.port, id, settings.mark);
      }
    }
  };

  Object.defineProperty(window, HANDLE, {
    value: {
      id: makeId(),
      errors,
      /** The ports that carry marks. */
      ports: () => (settings.mark ? [...ports.keys()] : []),
      expected: () => [...workers].filter(([id]) => !failed.has(id)),
      clock: () => timers && { nowMs: timers.nowMs(), nextDueMs: nextDueMs() },
      mark: async (/** @type {string[]} */ ids, /** @type {number} */ mark) => {
        if (usesLocks) {
          await waitForLocks();
        }
        for (const id of ids) {
          ports.get(id)?.postMessage({ [settings.mark ?? ""]: { port: id, mark } });
        }
      },
    },
  });
})();
