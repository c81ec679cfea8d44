// The worker's requests by fetch and XMLHttpRequest: each carries a number, so that the journal knows who
// asked, and time waits for it. One that a toxic holds back until some virtual time, or for ever, is not
// waited for while it is held: the clock brings that time about.
const requests = (() => {
  const { fetch } = self;
  const under_way = new Map();
  const held = new Map();
  let next_number = 1;

  const tag_of = (number) => `${control.id}.${number}.${control.now_ms()}`;
  const same_origin = (url) => {
    try {
      return new URL(url, location.href).origin === location.origin;
    } catch {
      return false;
    }
  };
  // A held request that the worker gives up need not be held any longer, and ends like any other.
  const give_up = (number) => {
    if (held.delete(number)) {
      work.hold(under_way.get(number), false);
      control.send({ event: "release", request: number });
    }
  };
  const end = (number) => {
    give_up(number);
    work.end(under_way.get(number));
    under_way.delete(number);
  };

  self.fetch = function fetch_and_wait(input, init) {
    const number = next_number++;
    const request = typeof Request === "function" && input instanceof Request ? input : null;
    const url = request ? request.url : String(input);
    let tagged = init;
    if (same_origin(url)) {
      const headers = new Headers((init && init.headers) || (request ? request.headers : undefined));
      headers.set(settings.tag, tag_of(number));
      tagged = { ...init, headers };
    }
    const method = (init && init.method) || (request ? request.method : "GET");
    const signal = (init && init.signal) || (request && request.signal);
    if (signal) {
      signal.addEventListener("abort", () => give_up(number));
    }
    const answer = fetch.call(self, input, tagged);
    under_way.set(number, work.begin(`${method} ${url}`));
    return work.until_settled(answer, () => end(number));
  };
  Object.defineProperty(self.fetch, "name", { value: "fetch" });

  const { open, send } = XMLHttpRequest.prototype;
  const opened = new WeakMap();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    opened.set(this, { method, url: String(url), waits: rest.length > 0 && !rest[0] });
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (...args) {
    const { method, url, waits } = opened.get(this) || { method: "GET", url: "" };
    if (waits) {
      // The worker stands still until it is answered: nobody could move its time meanwhile.
      return send.apply(this, args);
    }
    const number = next_number++;
    if (same_origin(url)) {
      this.setRequestHeader(settings.tag, tag_of(number));
    }
    under_way.set(number, work.begin(`${method} ${url}`));
    this.addEventListener("loadend", () => end(number), { once: true });
    return send.apply(this, args);
  };

  control.methods.hold = ({ request, delay_ms }) => {
    if (under_way.has(request)) {
      held.set(request, delay_ms === null ? Infinity : control.now_ms() + delay_ms);
      work.hold(under_way.get(request), true);
    } else {
      control.send({ event: "release", request });
    }
  };
  control.methods.let_go = ({ request }) => {
    if (held.delete(request)) {
      work.hold(under_way.get(request), false);
    }
  };

  return {
    // The held request that is to go on first, and when; null where none will by itself.
    next_release: () => {
      let first = null;
      for (const [request, due_ms] of held) {
        if (due_ms !== Infinity && (!first || due_ms < first.due_ms)) {
          first = { request, due_ms };
        }
      }
      return first;
    },
    release: ({ request }) => give_up(request),
  };
})();
