// Reports what the worker writes to the console and does not catch.
(() => {
  const format = (/** @type {unknown} */ value) => {
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
  const times = () => ({ atMs: control.realNow(), virtualMs: control.nowMs() });
  const report = (/** @type {string} */ type, /** @type {unknown[]} */ values) => {
    control.send({ event: "console", type, text: values.map(format).join(" "), ...times() });
  };
  /** @type {Map<string, number>} */
  const counts = new Map();
  const label = (/** @type {unknown[]} */ values) => (values[0] === undefined ? "default" : String(values[0]));

  // The types are those of the DevTools protocol.
  /** @type {Record<string, (values: unknown[]) => void>} */
  const reports = {
    assert: ([condition, ...values]) => {
      if (!condition) {
        report("assert", values.length ? values : ["console.assert"]);
      }
    },
    count: (values) => {
      const count = (counts.get(label(values)) || 0) + 1;
      counts.set(label(values), count);
      report("count", [`${label(values)}: ${count}`]);
    },
    countReset: (values) => {
      counts.delete(label(values));
    },
    group: (values) => report("startGroup", values),
    groupCollapsed: (values) => report("startGroupCollapsed", values),
    groupEnd: () => report("endGroup", []),
    trace: (values) => report("trace", values.length ? values : ["console.trace"]),
    warn: (values) => report("warning", values),
  };
  for (const type of ["debug", "log", "info", "error", "dir", "table"]) {
    reports[type] = (values) => report(type, values);
  }
  const native = /** @type {Record<string, Function>} */ (/** @type {unknown} */ (console));
  for (const [method, act] of Object.entries(reports)) {
    const write = native[method];
    native[method] = function (/** @type {unknown[]} */ ...values) {
      act(values);
      return write.apply(this, values);
    };
  }

  self.addEventListener("error", ({ message, error }) => {
    const stack = (error && error.stack) || "";
    control.send({ event: "error", message: message.replace(/^Uncaught /, ""), stack, ...times() });
  });
  self.addEventListener("unhandledrejection", ({ reason }) => {
    const stack = (reason && reason.stack) || "";
    control.send({ event: "error", message: `Unhandled rejection: ${String(reason)}`, stack, ...times() });
  });
})();
