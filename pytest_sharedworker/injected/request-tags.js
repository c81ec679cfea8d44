// Tags the worker's requests by fetch and XMLHttpRequest, so that the journal knows the sender: `<worker
// id>.<number>.<virtual ms>`, the last empty on real time. requests.js follows the requests, so that virtual time
// waits for them.
const requestTags = (() => {
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
  /** @type {FetchFollower} */
  let followFetch = (_, response) => response;
  /** @type {(request: SentRequest, xhr: XMLHttpRequest) => void} */
  let followXhr = () => {};
  let nextNumber = 1;

  const tag = (/** @type {number} */ number) => `${control.id}.${number}.${control.nowMs() ?? ""}`;
  const isSameOrigin = (/** @type {string} */ url) => {
    try {
      return new URL(url, location.href).origin === location.origin;
    } catch {
      return false;
    }
  };

  const { fetch, Request: NativeRequest } = self;
  /**
   * The arguments of fetch with a tag. A Request is copied: fetch drops the referrer of a Request that comes
   * with an init. Everything else gets a header more, because in Firefox a Request loses `keepalive`.
   *
   * @param {number} number
   * @param {RequestInfo | URL} input
   * @param {RequestInit} [init]
   * @returns {[RequestInfo | URL, RequestInit?] | null} null where fetch will reject
   */
  const makeTagged = (number, input, init) => {
    try {
      if (input instanceof NativeRequest || init instanceof NativeRequest) {
        const request = new NativeRequest(input, init);
        request.headers.set(settings.tag, tag(number));
        return [request];
      }
      const headers = new Headers(init?.headers);
      headers.set(settings.tag, tag(number));
      // Not a copy: members of an init may be inherited.
      return [input, init ? Object.create(init, { headers: { value: headers } }) : { headers }];
    } catch {
      return null;
    }
  };
  Object.assign(self, {
    fetch(/** @type {Parameters<typeof fetch>} */ ...args) {
      const [input, init] = args;
      const request = input instanceof NativeRequest ? input : null;
      let url = "";
      try {
        url = request ? request.url : String(input);
      } catch {
        // fetch rejects, as it does without a URL.
      }
      const number = nextNumber++;
      const method = (init && init.method) || (request ? request.method : "GET");
      const signal = (init && init.signal) || (request && request.signal);
      const tagged = args.length > 0 && isSameOrigin(url) ? makeTagged(number, input, init) : null;
      const response = tagged ? fetch.apply(self, tagged) : fetch.apply(self, args);
      return followFetch({ number, what: `${method} ${url}` }, response, signal);
    },
  });

  const open = /** @type {Function} */ (XMLHttpRequest.prototype.open);
  const send = /** @type {Function} */ (XMLHttpRequest.prototype.send);
  /** @type {WeakMap<XMLHttpRequest, { method: string, url: string, isSynchronous: boolean }>} */
  const opened = new WeakMap();
  XMLHttpRequest.prototype.open = function (/** @type {any[]} */ ...args) {
    const [method, url, ...rest] = args;
    opened.set(this, { method, url: String(url), isSynchronous: rest.length > 0 && !rest[0] });
    return open.apply(this, args);
  };
  XMLHttpRequest.prototype.send = function (/** @type {any[]} */ ...args) {
    const { method, url, isSynchronous } = opened.get(this) || { method: "GET", url: "", isSynchronous: false };
    if (isSynchronous && settings.virtualClock) {
      // Without a number, so that no toxic suspends it: the worker is blocked until the response, and its
      // time could not move meanwhile.
      return send.apply(this, args);
    }
    const number = nextNumber++;
    if (isSameOrigin(url)) {
      this.setRequestHeader(settings.tag, tag(number));
    }
    followXhr({ number, what: `${method} ${url}` }, this);
    return send.apply(this, args);
  };

  return {
    /**
     * From now on, calls these with each request, by fetch or XMLHttpRequest, that is being sent.
     *
     * @param {FetchFollower} fetchFollower returns the promise that the script gets
     * @param {typeof followXhr} xhrFollower
     */
    follow: (fetchFollower, xhrFollower) => {
      followFetch = fetchFollower;
      followXhr = xhrFollower;
    },
  };
})();
