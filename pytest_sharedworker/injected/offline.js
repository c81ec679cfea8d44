// Takes this one worker off the network: navigator.onLine, its events, and every request by fetch and
// XMLHttpRequest. Runs before the parts that follow requests, which then see these fail like any others; also
// evaluated by itself in a worker without a prologue.
(() => {
  const SWITCH = Symbol.for("pytest-sharedworker.offline");
  if (SWITCH in self) {
    return;
  }
  // A blob that does not exist: the browser opens no connection and reports the network error itself, in its
  // own words and order of events.
  const NOWHERE = `blob:${location.origin}/offline`;
  let isOffline = false;

  const needsNetwork = (/** @type {string | URL} */ url) => {
    try {
      return ["http:", "https:"].includes(new URL(url, location.href).protocol);
    } catch {
      return false;
    }
  };

  replace.method(self, "fetch", (native, worker, args) => {
    const [input, init] = args;
    const request = input instanceof Request ? input : null;
    if (isOffline && needsNetwork(request ? request.url : input)) {
      const signal = (init && init.signal) || (request && request.signal) || undefined;
      return native(worker, [NOWHERE, { signal }]);
    }
    return native(worker, args);
  });

  // When it is opened, not when it is sent: a request that was opened twice never ends in a worker of
  // Firefox.
  replace.method(XMLHttpRequest.prototype, "open", (native, xhr, args) => {
    const [, url, isAsync] = args;
    const isLocal = !isOffline || args.length < 2 || !needsNetwork(url);
    return native(xhr, isLocal ? args : ["GET", NOWHERE, args.length < 3 || isAsync]);
  });

  replace.getter(WorkerNavigator.prototype, "onLine", (native, navigator) => native(navigator, []) && !isOffline);

  replace.addOwn(SWITCH, (/** @type {boolean} */ value) => {
    if (value !== isOffline) {
      isOffline = value;
      self.dispatchEvent(new Event(isOffline ? "offline" : "online"));
    }
  });
})();
