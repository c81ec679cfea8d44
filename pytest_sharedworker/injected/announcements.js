// Announces the worker's requests by fetch and XMLHttpRequest on the control channel before they are sent, so that
// the gateway knows the sender, its number of the request and its virtual time. The requests themselves stay as
// the script made them. requests.js follows them, so that virtual time waits for them.
const announcements = (() => {
  hideEntries(({ name }) => control.isOwnUrl(name));

  /**
   * @typedef {object} SentRequest
   * @property {number} number
   * @property {string} what method and URL as the script gave them
   */
  /**
   * @typedef {(
   *   request: SentRequest, response: Promise<Response>, signal: AbortSignal | null | undefined,
   * ) => Promise<Response>} FetchFollower
   */
  /**
   * @typedef {object} XhrFollower
   * @property {(request: SentRequest) => void} begin
   * @property {(number: number) => void} end
   */
  /** @type {FetchFollower} */
  let followFetch = (_, response) => response;
  /** @type {XhrFollower} */
  let xhrFollower = { begin: () => {}, end: () => {} };
  let nextNumber = 1;
  /** The signals of the responses to requests that have one. @type {WeakMap<Response, AbortSignal>} */
  const signals = new WeakMap();

  const { Request: NativeRequest, URL: NativeURL } = self;
  const NORMALIZED = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];
  const normalize = (/** @type {string} */ method) => {
    const upper = method.toUpperCase();
    return NORMALIZED.includes(upper) ? upper : method;
  };
  /**
   * @param {number | null} number null where no toxic may suspend the request
   * @param {string} method
   * @param {string | URL} url
   * @param {boolean} hasOwnReferrer whether it may come with another Referer than the worker's requests do
   * @param {string} [scheme] of a WebSocket, whose `url` is that of its handshake
   */
  const announce = (number, method, url, hasOwnReferrer, scheme) => {
    const { host, origin, pathname, search, protocol } = new NativeURL(url, location.href);
    const isAtHome = origin === control.origin;
    if (isAtHome || (settings.hasProxy && ["http:", "https:"].includes(protocol))) {
      control.announce({
        event: "request", number, method: normalize(method), scheme: scheme ?? protocol.slice(0, -1), host, target: pathname + search,
        virtualMs: number === null ? null : control.nowMs(), hasOwnReferrer,
      }, hasOwnReferrer || number === null || !isAtHome);
    }
  };
  const isOwnReferrer = (/** @type {RequestInit | undefined | null} */ given) => Boolean(given) && (
    ![undefined, "about:client"].includes(given?.referrer) || Boolean(given?.referrerPolicy)
  );

  replace.method(self, "fetch", (native, worker, args) => {
    const number = nextNumber++;
    const request = args[0] instanceof NativeRequest ? args[0] : null;
    let passed = args;
    let what = "";
    let signal = null;
    try {
      const [input, given, ...rest] = request ? args : toTexts(args, 1);
      const init = readOnce(given);
      passed = [input, init, ...rest].slice(0, args.length);
      const url = request ? request.url : input;
      const method = String(init?.method ?? request?.method ?? "GET");
      what = `${method} ${url}`;
      signal = init?.signal === undefined ? request?.signal : init.signal;
      if (signal?.aborted) {
        // No request is made; the promise rejects before another microtask could notice that it is followed.
        return native(worker, passed);
      }
      announce(number, method, url, isOwnReferrer(init) || isOwnReferrer(request));
    } catch {
      // fetch rejects, as it does without a URL.
    }
    const response = native(worker, passed);
    if (signal && settings.virtualClock) {
      then(response, (/** @type {Response} */ value) => { signals.set(value, signal); }, () => {});
    }
    return followFetch({ number, what }, response, signal);
  });

  // The Referer of such a request names the worker's script, but for that of an inline worker and at another origin,
  // which only a proxy sees. Elsewhere the function stays: an error in a script of another origin is reported at the
  // line of the call, as which the browser takes the innermost one.
  if (settings.hasProxy || settings.inlineUrl !== null) {
    replace.method(self, "importScripts", (native, worker, args) => {
      try {
        for (const url of args.map(String)) {
          if (settings.inlineUrl !== null || new NativeURL(url, location.href).origin !== control.origin) {
            announce(null, "GET", url, false);
          }
        }
      } catch {
        // The browser throws.
      }
      try {
        return native(worker, args);
      } finally {
        // What the browser's cache has answered is nobody else's request.
        control.send({ event: "requestEnd", request: null });
      }
    });
  }

  const { prototype } = self.XMLHttpRequest;
  /** @type {WeakMap<XMLHttpRequest, { method: string, url: string, isSynchronous: boolean }>} */
  const opened = new WeakMap();
  /** The number of each request that is under way. @type {WeakMap<XMLHttpRequest, number>} */
  const sent = new WeakMap();
  const end = (/** @type {XMLHttpRequest} */ xhr) => {
    const number = sent.get(xhr);
    if (number !== undefined) {
      sent.delete(xhr);
      xhrFollower.end(number);
    }
  };
  replace.method(prototype, "open", (native, xhr, args) => {
    const texts = toTexts(args, 2);
    native(xhr, texts);
    // Without an event, this has ended a request that was under way.
    end(xhr);
    const [method, url, ...rest] = texts;
    opened.set(xhr, { method, url, isSynchronous: rest.length > 0 && !rest[0] });
  });
  replace.method(prototype, "abort", (native, xhr, args) => {
    native(xhr, args);
    end(xhr);
  });
  replace.method(prototype, "send", (native, xhr, args) => {
    const request = opened.get(xhr);
    if (!request || sent.has(xhr)) {
      // It throws.
      return native(xhr, args);
    }
    const { method, url, isSynchronous } = request;
    // The worker is blocked until the response, and its time could not move meanwhile.
    const isBlocking = isSynchronous && settings.virtualClock;
    const number = nextNumber++;
    announce(isBlocking ? null : number, method, url, false);
    if (isBlocking) {
      return native(xhr, args);
    }
    sent.set(xhr, number);
    xhrFollower.begin({ number, what: `${method} ${url}` });
    try {
      return native(xhr, args);
    } catch (error) {
      end(xhr);
      throw error;
    }
  });
  // Before the listeners of the script, which may stop the event.
  replace.constructor(self, "XMLHttpRequest", (create, args) => {
    const xhr = create(args);
    listen(xhr, "loadend", () => end(xhr), true);
    return xhr;
  });

  return {
    /** The number of a request that is under way. */
    getNumber: (/** @type {XMLHttpRequest} */ xhr) => sent.get(xhr),
    nextNumber: () => nextNumber++,
    announce,
    /**
     * From now on, calls these with each request that is being sent.
     *
     * @param {FetchFollower} fetchFollower returns the promise that the script gets
     * @param {XhrFollower} follower
     */
    follow: (fetchFollower, follower) => {
      followFetch = fetchFollower;
      xhrFollower = follower;
    },
    /** Whether reading a response fails at once. */
    isAborted: (/** @type {Response} */ response) => signals.get(response)?.aborted === true,
  };
})();
