// Runs in every tab before the page's own scripts: remembers the ports of its SharedWorkers, so that
// the harness can wait until a worker has read all that this tab posted, and keeps their errors.
(() => {
  const NativeSharedWorker = window.SharedWorker;
  if (!NativeSharedWorker || window[Symbol.for("pytest-sharedworker")]) {
    return;
  }
  const ports = new Map();
  const errors = [];
  const random = new Uint32Array(2);

  window.SharedWorker = class SharedWorker extends NativeSharedWorker {
    constructor(...args) {
      super(...args);
      const id = crypto.getRandomValues(random).join("-");
      ports.set(id, this.port);
      const url = String(new URL(args[0], document.baseURI));
      this.addEventListener("error", (event) => {
        errors.push({ url, message: event.message || "the script could not be loaded or run" });
      });
      if (settings.mark) {
        this.port.postMessage({ [settings.mark]: { port: id, mark: 0 } });
      }
    }
  };
  Object.defineProperty(window, Symbol.for("pytest-sharedworker"), {
    value: {
      errors,
      ports: () => [...ports.keys()],
      mark: (ids, mark) => {
        for (const id of ids) {
          ports.get(id).postMessage({ [settings.mark]: { port: id, mark } });
        }
      },
    },
  });
})();
