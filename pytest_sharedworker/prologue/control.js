// The worker's end of the control channel: one WebSocket to the harness.
// Runs before the worker's first line. `settings` comes from the gateway, `control` is shared with
// the parts that follow (clock.js). Every statement ends in a semicolon and comments fill whole
// lines, because the gateway serves all of this on one line, so that line numbers stay the worker's.
const control = (() => {
  const base = `//${location.hostname}:${settings.port}`;

  // A synchronous request: the harness can act before the worker's first line runs.
  const request = new XMLHttpRequest();
  request.open("POST", `http:${base}/start`, false);
  request.send(JSON.stringify({ token: settings.token, name: self.name, url: location.href }));
  if (request.status !== 200) {
    throw new Error(`pytest-sharedworker: the harness refused this worker: ${request.responseText}`);
  }
  const { id, epoch_ms } = JSON.parse(request.responseText);

  const methods = Object.create(null);
  const waiting = [];
  const socket = new WebSocket(`ws:${base}/socket/${id}`);

  const send = (message) => {
    const text = JSON.stringify(message);
    if (socket.readyState === WebSocket.OPEN) {
      socket.send(text);
    } else if (socket.readyState === WebSocket.CONNECTING) {
      waiting.push(text);
    }
  };
  socket.onopen = () => {
    waiting.splice(0).forEach((text) => socket.send(text));
  };
  socket.onmessage = async ({ data }) => {
    const { call, method, params } = JSON.parse(data);
    try {
      const result = await methods[method](params);
      send({ call, result: result === undefined ? null : result });
    } catch (error) {
      send({ call, error: { message: String(error), stack: (error && error.stack) || "" } });
    }
  };

  const text = (value) => {
    if (typeof value === "string") {
      return value;
    }
    if (value instanceof Error) {
      return value.stack && value.stack.includes(value.message) ? value.stack : String(value);
    }
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  };
  for (const level of ["debug", "log", "info", "warn", "error"]) {
    const native = console[level];
    console[level] = function (...values) {
      send({ event: "console", level, text: values.map(text).join(" ") });
      return native.apply(this, values);
    };
  }
  self.addEventListener("error", ({ message, error }) => {
    send({ event: "error", message, stack: (error && error.stack) || "" });
  });
  self.addEventListener("unhandledrejection", ({ reason }) => {
    send({ event: "error", message: `Unhandled rejection: ${reason}`, stack: (reason && reason.stack) || "" });
  });

  // Messages of the harness travel on the tabs' own ports, so that they arrive behind everything
  // the tab posted before; the worker never sees them.
  self.addEventListener("connect", ({ ports: [port] }) => {
    port.addEventListener("message", (message) => {
      const mark = message.data && message.data[settings.mark];
      if (mark) {
        message.stopImmediatePropagation();
        send({ event: "mark", port: mark.port, mark: mark.mark });
      }
    });
  });

  methods.evaluate = async ({ expression, args }) => {
    const value = (0, eval)(`(${expression})`);
    return typeof value === "function" ? await value(...args) : await value;
  };
  methods.terminate = () => {
    self.close();
  };

  // The name by which the harness knows this worker among others of the same script.
  Object.defineProperty(self, Symbol.for("pytest-sharedworker"), { value: id });

  return { id, epoch_ms, methods, send };
})();
