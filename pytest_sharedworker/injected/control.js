// The worker's end of the control channel: one WebSocket to the plugin. Runs before the worker's first line.
// `settings` comes from prologue.py; `control` is shared with the parts that follow. Every statement ends in
// a semicolon and comments fill lines of their own, because all parts are served on one line: line numbers
// stay the worker's.
const control = (() => {
  // The location of a blob: or data: URL has no host, and that of a data: URL no origin either.
  const isOpaque = location.origin === "null";
  const { host, hostname, origin, protocol } = new URL(isOpaque ? settings.origin : location.origin);
  // On the worker's own host, also behind a proxy: a page on https may not use http.
  const base = `${protocol === "https:" ? "s" : ""}://${hostname}:${settings.port}`;

  // Saved before the worker's script and the init scripts run: replacing these must not cut the channel.
  const { WebSocket: NativeWebSocket, XMLHttpRequest: NativeXhr } = self;
  const { CONNECTING, OPEN } = NativeWebSocket;
  const openXhr = /** @type {Function} */ (NativeXhr.prototype.open);
  const sendXhr = NativeXhr.prototype.send;
  const { close: closeSocket, send: sendFrame } = NativeWebSocket.prototype;
  const { parse, stringify } = JSON;
  const isOwnUrl = (/** @type {string} */ url) => (
    url.startsWith(`http${base}/`) || url.startsWith(`${origin}${settings.ownPrefix}`)
  );
  // The browser keeps a limited number of timings: those of the plugin take no place of the script's first ones.
  const readTimings = performance.getEntriesByType.bind(performance, "resource");
  const clearTimings = performance.clearResourceTimings.bind(performance);
  const post = (/** @type {string} */ path, /** @type {unknown} */ body) => {
    const request = new NativeXhr();
    openXhr.call(request, "POST", `http${base}${path}`, false);
    sendXhr.call(request, stringify(body));
    if (readTimings().every(({ name }) => isOwnUrl(name))) {
      clearTimings();
    }
    return request;
  };

  // Read before the clock becomes virtual: real time, finer than Date's milliseconds.
  const timeOrigin = performance.timeOrigin;
  const performanceNow = performance.now.bind(performance);
  const realNow = () => timeOrigin + performanceNow();

  // A synchronous request: the plugin can act before the worker's first line runs.
  const start = post("/start", {
    token: settings.token, name: typeof self.name === "string" ? self.name : "", url: settings.inlineUrl ?? location.href, host, atMs: realNow(),
  });
  if (start.status !== 200) {
    throw new Error(`pytest-sharedworker: the control server rejected this worker: ${start.responseText}`);
  }
  /** @type {{ id: string, epochMs: number }} */
  const { id, epochMs } = parse(start.responseText);

  /** @type {Record<string, (params: any) => unknown>} */
  const methods = Object.create(null);
  /** @type {string[]} */
  const unsent = [];
  const socket = new NativeWebSocket(`ws${base}/socket/${id}`);

  // A worker that closes itself drops what its socket has not sent yet. Its last messages, and the message
  // that it ends, go by a request that does not wait for the event loop.
  let isClosing = false;
  const sendSynchronously = (/** @type {object[]} */ messages) => {
    try {
      post(`/end/${id}`, messages);
    } catch {
      // The control server has stopped, or the browser sends nothing any more.
    }
  };
  replace.method(self, "close", (native, worker, args) => {
    if (!isClosing) {
      isClosing = true;
      sendSynchronously(unsent.splice(0).map((text) => parse(text)));
      if (settings.endsAtClose) {
        // The worker runs no task more, but its socket would stay open as long as it has tabs.
        closeSocket.call(socket);
      }
    }
    native(worker, args);
  });

  const send = (/** @type {object} */ message) => {
    const text = stringify(message);
    if (isClosing) {
      sendSynchronously([message]);
    } else if (socket.readyState === OPEN) {
      sendFrame.call(socket, text);
    } else if (socket.readyState === CONNECTING) {
      unsent.push(text);
    }
  };
  /**
   * Sends a message that has to arrive before what the caller does next.
   *
   * @param {object} message
   * @param {boolean} isUrgent whether the gateway does not expect it, and so does not wait for it
   */
  const announce = (message, isUrgent) => {
    if (socket.readyState === OPEN && !isUrgent && !isClosing) {
      sendFrame.call(socket, stringify(message));
      return;
    }
    try {
      post(`/messages/${id}`, [message]);
    } catch {
      // The control server has stopped.
    }
  };
  socket.onopen = () => {
    unsent.splice(0).forEach((text) => sendFrame.call(socket, text));
  };
  socket.onmessage = async ({ data }) => {
    const { call, method, params } = parse(data);
    try {
      const result = await methods[method](params);
      send({ call, result: result === undefined ? null : result });
    } catch (error) {
      const stack = error instanceof Error ? error.stack : "";
      send({ call, error: { message: String(error), stack: stack || "" } });
    }
  };

  // The script of an inline worker runs at another URL, with the prologue in front of it.
  if (settings.inlineUrl) {
    const url = new URL(settings.inlineUrl);
    const prototype = WorkerLocation.prototype;
    const parts = /** @type {const} */ (
      ["href", "protocol", "host", "hostname", "port", "pathname", "search", "hash"]
    );
    for (const name of parts) {
      const native = Object.getOwnPropertyDescriptor(prototype, name);
      const value = url[name];
      Object.defineProperty(prototype, name, { ...native, get: () => value });
    }
    prototype.toString = () => url.href;
  }

  methods.evaluate = ({ expression, argument }) => evaluate(expression, argument);
  // Its answer comes behind all that was sent before.
  methods.echo = () => null;
  methods.terminate = () => {
    self.close();
  };

  // By this name the plugin tells this worker from others of the same script.
  replace.addOwn(Symbol.for("pytest-sharedworker"), id);
  // By this one DevTools evaluate in a module.
  replace.addOwn(Symbol.for("pytest-sharedworker.scope"), scope);

  const channel = {
    id, host, origin, isOwnUrl, epochMs, methods, send, announce, realNow,
    /** @type {(port: string, nextDueMs: number | null, posted?: Record<string, number>) => void} */
    onTabClock: () => {},
    /** @type {(port: string) => void} called before the worker posts on a port */
    beforePost: () => {},
    /** @type {(port: string) => void} called after the worker has passed a port on */
    onPassedOn: () => {},
    /** @type {() => number | null} */
    nowMs: () => null,
  };
  return channel;
})();
