// Announces the worker's WebSockets and EventSources, as announcements.js does with its requests. A handshake has
// no Referer, and tabs may open the same URL: the URL of a WebSocket therefore carries its number in a parameter,
// which the gateway takes out, so that server and worker do not see it. messages.js follows their messages.
const sockets = (() => {
  /** @typedef {WebSocket | EventSource} Socket */
  /** @type {(socket: Socket, number: number, what: string) => void} */
  let onOpening = () => {};

  const { URL: NativeURL } = self;
  const { port } = new NativeURL(control.origin);
  const isOwn = (/** @type {URL} */ url) => url.host === control.host
    || (url.port === port && ["127.0.0.1", "localhost"].includes(url.hostname));
  const PROTOCOLS = ["ws:", "http:", ...(settings.hasProxy ? ["wss:", "https:"] : [])];

  /** Returns the URL with the number, null where the browser has to decide about it. */
  const tag = (/** @type {string | URL} */ given, /** @type {number} */ number) => {
    const url = new NativeURL(given, location.href);
    if (!PROTOCOLS.includes(url.protocol) || url.hash || !(settings.hasProxy || isOwn(url))) {
      return null;
    }
    // Always a character of its own, so that without it the URL is what it was.
    const separator = url.href.includes("?") ? "&" : "?";
    return `${url.href}${separator}${settings.socketParameter}=${control.id}.${number}`;
  };
  /**
   * @param {string} name
   * @param {(args: any[], number: number) => { changed: any[], url: URL | null, scheme?: string }} prepare
   */
  const install = (name, prepare) => {
    replace.constructor(self, name, (create, args) => {
      const number = announcements.nextNumber();
      let changed = args;
      let url = null;
      /** @type {string | undefined} */
      let scheme;
      try {
        changed = toTexts(args, 1);
        ({ changed, url, scheme } = prepare(changed, number));
      } catch {
        // The browser throws.
      }
      const socket = create(changed);
      if (url) {
        announcements.announce(number, "GET", url, false, scheme);
      }
      onOpening(socket, number, `${name} ${socket.url}`);
      return socket;
    });
  };

  install("WebSocket", (args, number) => {
    const tagged = args.length ? tag(args[0], number) : null;
    const url = tagged ? new NativeURL(args[0], location.href) : null;
    const scheme = url?.protocol.replace("http", "ws").slice(0, -1);
    if (url) {
      url.protocol = url.protocol.replace("ws", "http");
      if (isOwn(url)) {
        url.host = control.host;
      }
    }
    return { changed: tagged ? [tagged, ...args.slice(1)] : args, url, scheme };
  });
  replace.getter(self.WebSocket.prototype, "url", (native, socket) => restoreSocketUrl(native(socket, [])));
  install("EventSource", (args) => ({ changed: args, url: new NativeURL(args[0], location.href) }));

  return {
    /**
     * From now on, calls this with each socket that is being opened.
     *
     * @param {typeof onOpening} follower
     */
    follow: (follower) => {
      onOpening = follower;
    },
  };
})();
