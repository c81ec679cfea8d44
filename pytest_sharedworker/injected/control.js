// The worker's end of the control channel: one WebSocket to the harness.
// Runs before the worker's first line. `settings` comes from the gateway, `control` is shared with
// the parts that follow (clock.js). Every statement ends in a semicolon and comments fill whole
// lines, because the gateway serves all of this on one line, so that line numbers stay the worker's.
const control = (() => {
  const base = `//${location.hostname}:${settings.port}`;

  // Taken before the clock becomes virtual: when something happened in real time, finer than Date's ms.
  const time_origin = performance.timeOrigin;
  const performance_now = performance.now.bind(performance);
  const real_now = () => time_origin + performance_now();

  // A synchronous request: the harness can act before the worker's first line runs.
  const request = new XMLHttpRequest();
  request.open("POST", `http:${base}/start`, false);
  request.send(JSON.stringify({ token: settings.token, name: self.name, url: location.href, at_ms: real_now() }));
  if (request.status !== 200) {
    throw new Error(`pytest-sharedworker: the harness refused this worker: ${request.responseText}`);
  }
  const { id, epoch_ms } = JSON.parse(request.responseText);

  const methods = Object.create(null);
  const waiting = [];
  const socket = new WebSocket(`ws:${base}/socket/${id}`);

  // A worker that closes itself drops what its socket has not sent yet: its last words, and its end,
  // go by a request that does not wait for the event loop.
  const native_close = self.close.bind(self);
  let closing = false;
  const send_at_once = (messages) => {
    const last = new XMLHttpRequest();
    last.open("POST", `http:${base}/end/${id}`, false);
    try {
      last.send(JSON.stringify(messages));
    } catch {
      // The harness is gone, or the browser sends nothing any more: nobody is left to tell.
    }
  };
  self.close = function close() {
    if (!closing) {
      closing = true;
      send_at_once(waiting.splice(0).map((text) => JSON.parse(text)));
    }
    native_close();
  };

  const send = (message) => {
    const text = JSON.stringify(message);
    if (closing) {
      send_at_once([message]);
    } else if (socket.readyState === WebSocket.OPEN) {
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
  const times = () => ({ at_ms: real_now(), virtual_ms: channel.now_ms() });
  for (const level of ["debug", "log", "info", "warn", "error"]) {
    const native = console[level];
    console[level] = function (...values) {
      send({ event: "console", level, text: values.map(text).join(" "), ...times() });
      return native.apply(this, values);
    };
  }
  self.addEventListener("error", ({ message, error }) => {
    const what = message.replace(/^Uncaught /, "");
    send({ event: "error", message: what, stack: (error && error.stack) || "", ...times() });
  });
  self.addEventListener("unhandledrejection", ({ reason }) => {
    const message = `Unhandled rejection: ${String(reason)}`;
    send({ event: "error", message, stack: (reason && reason.stack) || "", ...times() });
  });

  // Messages of the harness travel on the tabs' own ports, so that they arrive behind everything
  // the tab posted before; the worker never sees them.
  const ports = new Map();
  self.addEventListener("connect", ({ ports: [port] }) => {
    port.addEventListener("message", (message) => {
      const mark = message.data && message.data[settings.mark];
      if (!mark) {
        return;
      }
      message.stopImmediatePropagation();
      ports.set(mark.port, port);
      if (mark.mark === undefined) {
        channel.on_tab(mark.port, mark.next_due_ms);
      } else {
        send({ event: "mark", port: mark.port, mark: mark.mark });
      }
    });
  });

  methods.evaluate = async ({ expression, args }) => {
    const value = (0, eval)(`(${expression}\n)`);
    return typeof value === "function" ? await value(...args) : await value;
  };
  methods.terminate = () => {
    self.close();
  };

  // The name by which the harness knows this worker among others of the same script.
  Object.defineProperty(self, Symbol.for("pytest-sharedworker"), { value: id });

  const channel = {
    id, epoch_ms, methods, send, ports, real_now, on_tab: () => {}, now_ms: () => null,
  };
  return channel;
})();
