// Reports the messages on the worker's ports and what it writes to IndexedDB, for the inspector; a prologue has
// this part only where one is used. Values are read without calling the app's getters.
(() => {
  const MAX_LENGTH = 2000;
  // How many reports one real second holds: the rest is counted, so that a busy worker stays as fast as it is.
  const MAX_PER_SECOND = 500;
  let second = 0;
  let count = 0;
  let skipped = 0;
  const send = (/** @type {string} */ kind, /** @type {string} */ what, /** @type {string} */ value, port = "") => {
    control.send({
      event: "activity", kind, what, value, port, atMs: control.realNow(), virtualMs: control.nowMs(),
    });
  };
  /** @type {(kind: string, what: string, value: unknown[], port?: string) => void} */
  const report = (kind, what, value, port) => {
    const now = Math.floor(control.realNow() / 1000);
    if (now !== second) {
      if (skipped) {
        send(kind, `${skipped} more messages and writes`, "");
      }
      second = now;
      count = 0;
      skipped = 0;
    }
    count += 1;
    if (count > MAX_PER_SECOND) {
      skipped += 1;
      return;
    }
    const text = formatConsoleText(value);
    send(kind, what, text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text, port);
  };

  // --- ports ------------------------------------------------------------------------------------
  /** @type {WeakMap<object, string>} */
  const names = new WeakMap();
  let portCount = 0;
  const isOwn = (/** @type {any} */ data) => Boolean(
    data && typeof data === "object" && Object.getOwnPropertyDescriptor(data, settings.mark),
  );
  self.addEventListener("connect", (event) => {
    const [port] = /** @type {MessageEvent} */ (event).ports;
    portCount += 1;
    const name = `port ${portCount}`;
    names.set(port, name);
    report("message", `${name} connects`, [], name);
    port.addEventListener("message", (message) => {
      if (message.isTrusted && !isOwn(message.data)) {
        report("message", `${name} →`, [message.data], name);
      }
    });
  });
  replace.method(MessagePort.prototype, "postMessage", (native, port, args) => {
    native(port, args);
    const name = names.get(port);
    if (name && !isOwn(args[0])) {
      report("message", `→ ${name}`, [args[0]], name);
    }
  });

  // --- storage ----------------------------------------------------------------------------------
  if (self.IDBObjectStore) {
    for (const method of ["put", "add", "delete", "clear"]) {
      replace.method(IDBObjectStore.prototype, method, (native, store, args) => {
        const request = native(store, args);
        report("storage", `${method} in ${store.transaction.db.name}/${store.name}`, args);
        return request;
      });
    }
  }
})();
