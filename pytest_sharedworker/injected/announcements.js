// Announces the worker's requests by fetch and XMLHttpRequest on the control channel before they are sent, so that
// the gateway knows the sender, its number of the request and its virtual time. The requests themselves stay as
// the script made them. requests.js follows them, so that virtual time waits for them.
const announcements = (() => {
  hideEntries(({ name }) => name.startsWith(`${control.base}/`)
    || name.startsWith(`${control.origin}${settings.ownPrefix}`));

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

  const { fetch, Request: NativeRequest, URL: NativeURL } = self;
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
   */
  const announce = (number, method, url, hasOwnReferrer) => {
    const { host, origin, pathname, search } = new NativeURL(url, location.href);
    if (origin === control.origin) {
      control.announce({
        event: "request", number, method: normalize(method), host, target: pathname + search,
        virtualMs: number === null ? null : control.nowMs(), hasOwnReferrer,
      }, hasOwnReferrer || number === null);
    }
  };
  const isOwnReferrer = (/** @type {RequestInit | undefined | null} */ given) => Boolean(given) && (
    ![undefined, "about:client"].includes(given?.referrer) || Boolean(given?.referrerPolicy)
  );

  Object.assign(self, {
    fetch(/** @type {Parameters<typeof fetch>} */ ...args) {
      const [input, init] = args;
      const number = nextNumber++;
      const request = input instanceof NativeRequest ? input : null;
      let what = "";
      let signal = null;
      try {
        const url = request ? request.url : String(input);
        const method = String(init?.method ?? request?.method ?? "GET");
        what = `${method} ${url}`;
        signal = init?.signal || request?.signal;
        announce(number, method, url, isOwnReferrer(init) || isOwnReferrer(request));
      } catch {
        // fetch rejects, as it does without a URL.
      }
      return followFetch({ number, what }, fetch.apply(self, args), signal);
    },
  });

  const NativeXhr = self.XMLHttpRequest;
  const open = /** @type {Function} */ (NativeXhr.prototype.open);
  const send = /** @type {Function} */ (NativeXhr.prototype.send);
  const { abort } = NativeXhr.prototype;
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
  NativeXhr.prototype.open = function (/** @type {any[]} */ ...args) {
    const result = open.apply(this, args);
    // Without an event, this has ended a request that was under way.
    end(this);
    const [method, url, ...rest] = args;
    opened.set(this, { method: String(method), url: String(url), isSynchronous: rest.length > 0 && !rest[0] });
    return result;
  };
  NativeXhr.prototype.abort = function () {
    const result = abort.call(this);
    end(this);
    return result;
  };
  NativeXhr.prototype.send = function (/** @type {any[]} */ ...args) {
    const request = opened.get(this);
    if (!request || sent.has(this)) {
      // It throws.
      return send.apply(this, args);
    }
    const { method, url, isSynchronous } = request;
    // The worker is blocked until the response, and its time could not move meanwhile.
    const isBlocking = isSynchronous && settings.virtualClock;
    const number = nextNumber++;
    announce(isBlocking ? null : number, method, url, false);
    if (isBlocking) {
      return send.apply(this, args);
    }
    sent.set(this, number);
    xhrFollower.begin({ number, what: `${method} ${url}` });
    try {
      return send.apply(this, args);
    } catch (error) {
      end(this);
      throw error;
    }
  };
  // Before the listeners of the script, which may stop the event.
  self.XMLHttpRequest = new Proxy(NativeXhr, {
    construct: (target, args, newTarget) => {
      const xhr = Reflect.construct(target, args, newTarget);
      xhr.addEventListener("loadend", () => end(xhr), true);
      return xhr;
    },
  });
  NativeXhr.prototype.constructor = self.XMLHttpRequest;

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
  };
})();
