// Reports what the worker writes to the console and does not catch.
(() => {
  const times = () => ({ atMs: control.realNow(), virtualMs: control.nowMs() });
  const now = () => control.nowMs() ?? control.realNow();
  const report = (/** @type {string} */ type, /** @type {unknown[]} */ values) => {
    control.send({ event: "console", type, text: formatConsoleText(values), ...times() });
  };
  /** @type {Map<string, number>} */
  const counts = new Map();
  /** @type {Map<string, number>} */
  const timers = new Map();
  const label = (/** @type {unknown[]} */ values) => (values[0] === undefined ? "default" : String(values[0]));

  /** @type {(type: string, values: unknown[]) => void} */
  const reportTime = (type, values) => {
    const begun = timers.get(label(values));
    if (begun !== undefined) {
      report(type, [`${label(values)}: ${now() - begun} ms`, ...values.slice(1)]);
    }
  };

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
    clear: () => report("clear", ["console.clear"]),
    countReset: (values) => {
      counts.delete(label(values));
    },
    group: (values) => report("startGroup", values),
    groupCollapsed: (values) => report("startGroupCollapsed", values),
    groupEnd: () => report("endGroup", []),
    time: (values) => {
      if (!timers.has(label(values))) {
        timers.set(label(values), now());
      }
    },
    timeEnd: (values) => {
      reportTime("timeEnd", values.slice(0, 1));
      timers.delete(label(values));
    },
    timeLog: (values) => reportTime("log", values),
    trace: (values) => report("trace", values.length ? values : ["console.trace"]),
    warn: (values) => report("warning", values),
  };
  for (const type of ["debug", "log", "info", "error", "dir", "dirxml", "table"]) {
    reports[type] = (values) => report(type, values);
  }
  for (const [method, act] of Object.entries(reports)) {
    replace.method(console, method, (write, self, values) => {
      act(values);
      return write(self, values);
    });
  }

  // What is thrown may be anything: an object without a text, one whose stack is no text, or throws.
  const getStack = (/** @type {any} */ thrown) => {
    try {
      const stack = thrown?.stack;
      return typeof stack === "string" ? stack : "";
    } catch {
      return "";
    }
  };
  const getText = (/** @type {unknown} */ thrown) => {
    try {
      return String(thrown);
    } catch {
      return `an ${typeof thrown} without a text`;
    }
  };
  self.addEventListener("error", ({ message, error }) => {
    control.send({ event: "error", message: message.replace(/^Uncaught /, ""), stack: getStack(error), ...times() });
  });
  self.addEventListener("unhandledrejection", ({ reason }) => {
    const message = `Unhandled rejection: ${getText(reason)}`;
    control.send({ event: "error", message, stack: getStack(reason), ...times() });
  });
})();
