// Takes this one worker off the network: navigator.onLine, its events, and every request by fetch and
// XMLHttpRequest. Runs before clock.js, which then sees these requests fail like any others; also
// evaluated by itself in a worker without a prologue.
(() => {
  const SWITCH = Symbol.for("pytest-sharedworker.offline");
  if (self[SWITCH]) {
    return;
  }
  // A blob that does not exist: the browser opens no connection and reports the network error itself,
  // in its own words and order of events.
  const NOWHERE = `blob:${location.origin}/offline`;
  let offline = false;

  const leaves_the_machine = (url) => {
    try {
      return ["http:", "https:"].includes(new URL(url, location.href).protocol);
    } catch {
      return false;
    }
  };

  const { fetch } = self;
  self.fetch = function (input, init) {
    const request = input instanceof Request ? input : null;
    if (offline && leaves_the_machine(request ? request.url : input)) {
      const signal = (init && init.signal) || (request && request.signal) || undefined;
      return fetch.call(self, NOWHERE, { signal });
    }
    return fetch.call(self, input, init);
  };

  // When it is opened, not when it is sent: a request that was opened twice never ends in a worker of
  // Firefox.
  const { open } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (...args) {
    const [, url, is_async] = args;
    if (offline && leaves_the_machine(url)) {
      return open.call(this, "GET", NOWHERE, args.length < 3 || is_async);
    }
    return open.apply(this, args);
  };

  const native = Object.getOwnPropertyDescriptor(WorkerNavigator.prototype, "onLine");
  Object.defineProperty(WorkerNavigator.prototype, "onLine", {
    ...native,
    get() {
      return !offline && native.get.call(this);
    },
  });

  Object.defineProperty(self, SWITCH, {
    value: (value) => {
      if (value !== offline) {
        offline = value;
        self.dispatchEvent(new Event(offline ? "offline" : "online"));
      }
    },
  });
})();
