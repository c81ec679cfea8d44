// Hides the plugin from what a browser tells scripts about the document: what `gateway/csp.py` adds to a policy (keep
// both alike), the parameter that `sockets.js` adds to a URL, and that `inline-workers.js` makes synchronous requests.

/** Returns the URL of a WebSocket as the worker gave it; a page's URLs have no parameter. */
const restoreSocketUrl = (() => {
  const { socketParameter } = settings;
  const parameter = socketParameter ? new RegExp(`[?&]${socketParameter}=[^&]*$`) : /$^/;
  return (/** @type {string} */ url) => url.replace(parameter, "");
})();

(() => {
  const { getPrototypeOf } = Reflect;
  /** @type {(schemes: string) => RegExp} */
  const compile = (schemes) => {
    const [first, ...others] = schemes.split(" ");
    const rest = others.map((scheme) => ` ${scheme}://\\*:\\4`).join("");
    const added = ` ${first}://\\*:(\\d+)${rest}(?: 'self' blob: data:)?`;
    return new RegExp(`(^|;)(\\s*connect-src)((?:\\s[^;]*?)?)${added}(?=\\s*(?:;|$))`, "gi");
  };
  const changed = compile("http https ws wss");
  const isNew = compile("ws wss http https");
  const restore = (/** @type {string} */ policy) => policy.replace(isNew, "").replace(
    changed, (_, before, name, own) => `${before}${name}${own || " 'none'"}`,
  );

  /** What an event, or the body of a report, says about a violation. @type {[string, (value: string) => string][]} */
  const restored = [["originalPolicy", restore], ["blockedURI", restoreSocketUrl], ["blockedURL", restoreSocketUrl]];

  /** @type {Set<object>} */
  const hidden = new Set();
  const hidePolicy = (/** @type {any} */ object) => {
    const prototype = /** @type {object} */ (getPrototypeOf(object));
    if (hidden.has(prototype)) {
      return;
    }
    hidden.add(prototype);
    for (const [name, restoreValue] of restored) {
      replace.getter(prototype, name, (native, self) => restoreValue(/** @type {string} */ (native(self, []))));
    }
    replace.method(prototype, "toJSON", (native, self, args) => {
      const json = /** @type {any} */ (native(self, args));
      for (const report of [json, json.body]) {
        for (const [name, restoreValue] of restored) {
          if (typeof report?.[name] === "string") {
            report[name] = restoreValue(report[name]);
          }
        }
      }
      return json;
    });
  };
  // Before the app's listeners: the workers of some browsers have no interface object to change.
  self.addEventListener("securitypolicyviolation", hidePolicy, true);

  // The script that the plugin adds to a page has no URL.
  const isOwn = (/** @type {any} */ { type, body }) => (
    type === "deprecation" && body.id.startsWith("XMLHttpRequestSynchronous") && !body.sourceFile
  );
  const filter = (/** @type {any[]} */ reports) => reports.filter((report) => {
    hidePolicy(report);
    if (report.body) {
      hidePolicy(report.body);
    }
    return !isOwn(report);
  });
  const { ReportingObserver } = /** @type {any} */ (self);
  replace.method(ReportingObserver?.prototype, "takeRecords", (native, self, args) => (
    filter(/** @type {any[]} */ (native(self, args)))
  ));
  replace.constructor(self, "ReportingObserver", (create, [callback, ...rest]) => {
    if (typeof callback !== "function") {
      // It throws.
      return create([callback, ...rest]);
    }
    return create([(/** @type {any[]} */ reports, /** @type {any} */ observer) => {
      const kept = filter(reports);
      if (kept.length) {
        callback.call(observer, kept, observer);
      }
    }, ...rest]);
  });
})();
