// Runs in every tab before the page's own scripts: remembers the ports of its SharedWorkers, so that
// the harness can wait until a worker has read all that this tab posted, and keeps their errors.
(() => {
  const NativeSharedWorker = window.SharedWorker;
  if (!NativeSharedWorker || window[Symbol.for("pytest-sharedworker")]) {
    return;
  }
  const ports = new Map();
  const errors = [];
  const failed = new Set();
  const workers = new Map();
  const random = new Uint32Array(2);
  // A lock that this tab gives back is free for a worker once the browser has read of it. It has when it
  // answers what it was asked afterwards.
  let uses_locks = false;
  const locks_are_told = () => navigator.locks.query();
  if (navigator.locks) {
    const { request } = LockManager.prototype;
    LockManager.prototype.request = function (...args) {
      uses_locks = true;
      return request.apply(this, args);
    };
  }
  const timers = settings.virtual_clock ? make_timers(window, Date.now()) : null;
  const next_due_ms = () => {
    const timer = timers.next();
    return timer ? timer.due_ms : null;
  };
  const run_to = async ({ run_to_ms, date_ms }) => {
    for (let timer = timers.next(); timer && timer.due_ms <= run_to_ms; timer = timers.next()) {
      timers.fire(timer);
      await null;
      timers.end_task();
    }
    timers.set_now(run_to_ms);
    timers.set_date(date_ms);
  };

  window.SharedWorker = class SharedWorker extends NativeSharedWorker {
    constructor(...args) {
      super(...args);
      const id = crypto.getRandomValues(random).join("-");
      ports.set(id, this.port);
      const url = String(new URL(args[0], document.baseURI));
      const name = (typeof args[1] === "string" ? args[1] : args[1] && args[1].name) || "";
      workers.set(id, [url, name]);
      // What went wrong before counts no more: this is the next attempt.
      errors.splice(0, Infinity, ...errors.filter((error) => error.url !== url || error.name !== name));
      this.addEventListener("error", (event) => {
        // An ErrorEvent comes from a worker that runs, and tells of itself.
        if (!(event instanceof ErrorEvent)) {
          errors.push({ url, name });
          failed.add(id);
        }
      });
      if (settings.mark) {
        const { port } = this;
        port.postMessage({ [settings.mark]: { port: id, mark: 0 } });
        port.close = () => {
          // Behind all that was posted, and higher than any mark that will be asked for.
          port.postMessage({ [settings.mark]: { port: id, mark: Number.MAX_SAFE_INTEGER } });
          MessagePort.prototype.close.call(port);
        };
        this.port.addEventListener("message", async (event) => {
          const order = event.data && event.data[settings.mark];
          if (order) {
            event.stopImmediatePropagation();
            await run_to(order);
            if (uses_locks) {
              await locks_are_told();
            }
            this.port.postMessage({ [settings.mark]: { port: id, next_due_ms: next_due_ms() } });
          }
        });
      }
    }
  };
  Object.defineProperty(window, Symbol.for("pytest-sharedworker"), {
    value: {
      id: crypto.getRandomValues(random).join("-"),
      errors,
      ports: () => [...ports.keys()],
      expected: () => [...workers].filter(([id]) => !failed.has(id)),
      clock: () => timers && { now_ms: timers.now_ms(), next_due_ms: next_due_ms() },
      mark: async (ids, mark) => {
        if (uses_locks) {
          await locks_are_told();
        }
        for (const id of ids) {
          ports.get(id).postMessage({ [settings.mark]: { port: id, mark } });
        }
      },
    },
  });
})();
