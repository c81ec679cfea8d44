// Virtual time: it moves only when the harness moves it, fires timers in order, and waits for the
// requests they start before it moves on. Covers setTimeout, setInterval and their clears, Date and
// performance.now; HTML's rules for delays hold (integers, at least 4 ms from the sixth nesting on),
// so that a loop of zero delays comes to an end as it does in real time.
(() => {
  const MINIMUM_NESTED_DELAY_MS = 4;
  const FREE_NESTING = 5;
  const native = { Date, fetch: self.fetch, setTimeout: self.setTimeout };

  // All times are milliseconds since the worker's start; `origin_ms` maps them to dates.
  let now_ms = 0;
  let origin_ms = control.epoch_ms;

  // --- timers ---------------------------------------------------------------------------------
  const timers = new Map();
  let next_timer_id = 1;
  let next_order = 0;
  let current_nesting = 0;

  const delay_of = (delay, nesting) => {
    const whole_ms = Math.max(0, delay | 0);
    return nesting > FREE_NESTING ? Math.max(MINIMUM_NESTED_DELAY_MS, whole_ms) : whole_ms;
  };
  const add_timer = (callback, delay, args, repeat) => {
    const nesting = current_nesting + 1;
    const timer = {
      id: next_timer_id++, callback, args, nesting, repeat, delay,
      due_ms: now_ms + delay_of(delay, nesting), order: next_order++,
    };
    timers.set(timer.id, timer);
    return timer.id;
  };
  const next_timer = () => {
    let first = null;
    for (const timer of timers.values()) {
      if (!first || timer.due_ms < first.due_ms || (timer.due_ms === first.due_ms && timer.order < first.order)) {
        first = timer;
      }
    }
    return first;
  };
  const fire = (timer) => {
    now_ms = Math.max(now_ms, timer.due_ms);
    if (timer.repeat) {
      timer.nesting += 1;
      timer.due_ms = now_ms + Math.max(1, delay_of(timer.delay, timer.nesting));
      timer.order = next_order++;
    } else {
      timers.delete(timer.id);
    }
    current_nesting = timer.nesting;
    try {
      if (typeof timer.callback === "function") {
        timer.callback.apply(self, timer.args);
      } else {
        (0, eval)(String(timer.callback));
      }
    } catch (error) {
      // As in real time: one timer's exception is reported and the others go on.
      self.reportError(error);
    }
  };
  const clear = (id) => {
    timers.delete(Number(id));
  };
  self.setTimeout = function setTimeout(callback, delay, ...args) {
    return add_timer(callback, delay, args, false);
  };
  self.setInterval = function setInterval(callback, delay, ...args) {
    return add_timer(callback, delay, args, true);
  };
  self.clearTimeout = function clearTimeout(id) {
    clear(id);
  };
  self.clearInterval = function clearInterval(id) {
    clear(id);
  };

  // --- dates ----------------------------------------------------------------------------------
  const VirtualDate = function Date(...args) {
    if (!new.target) {
      return new native.Date(origin_ms + now_ms).toString();
    }
    return Reflect.construct(native.Date, args.length ? args : [origin_ms + now_ms], new.target);
  };
  Object.defineProperties(VirtualDate, {
    length: { value: 7 },
    prototype: { value: native.Date.prototype },
    now: { value: () => origin_ms + now_ms, writable: true, configurable: true },
    parse: { value: native.Date.parse, writable: true, configurable: true },
    UTC: { value: native.Date.UTC, writable: true, configurable: true },
  });
  native.Date.prototype.constructor = VirtualDate;
  self.Date = VirtualDate;
  const performance_origin_ms = control.epoch_ms;
  Object.defineProperty(performance, "now", { value: () => now_ms, writable: true, configurable: true });
  Object.defineProperty(performance, "timeOrigin", { get: () => performance_origin_ms, configurable: true });

  // --- requests under way ---------------------------------------------------------------------
  // What time has to wait for. A request that a toxic holds back until some virtual time, or for
  // ever, does not count while it is held: the clock brings that time about.
  const pending = new Map();
  const held = new Map();
  let next_request = 1;
  let wake = () => {};

  const track = (what, promise) => {
    const key = Symbol(what);
    pending.set(key, what);
    const done = () => {
      pending.delete(key);
      wake();
    };
    promise.then(done, done);
    return promise;
  };
  const tag = (headers, number) => {
    headers.set(settings.tag, `${control.id}.${number}.${now_ms}`);
  };
  const same_origin = (url) => {
    try {
      return new URL(url, location.href).origin === location.origin;
    } catch {
      return false;
    }
  };
  const track_request = (number, what, promise) => {
    pending.set(number, what);
    const done = () => {
      pending.delete(number);
      held.delete(number);
      wake();
    };
    promise.then(done, done);
    return promise;
  };
  self.fetch = function fetch(input, init) {
    const number = next_request++;
    const request = typeof Request === "function" && input instanceof Request ? input : null;
    const url = request ? request.url : String(input);
    let tagged = init;
    if (same_origin(url)) {
      const headers = new Headers((init && init.headers) || (request ? request.headers : undefined));
      tag(headers, number);
      tagged = { ...init, headers };
    }
    const method = (init && init.method) || (request ? request.method : "GET");
    return track_request(number, `${method} ${url}`, native.fetch.call(self, input, tagged));
  };
  for (const name of ["arrayBuffer", "blob", "bytes", "formData", "json", "text"]) {
    const read = Response.prototype[name];
    if (read) {
      Response.prototype[name] = function (...args) {
        return track(`reading the answer of ${this.url}`, read.apply(this, args));
      };
    }
  }
  const { open, send } = XMLHttpRequest.prototype;
  const opened = new WeakMap();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    opened.set(this, { method, url: String(url) });
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (...args) {
    const number = next_request++;
    const { method, url } = opened.get(this) || { method: "GET", url: "" };
    if (same_origin(url)) {
      this.setRequestHeader(settings.tag, `${control.id}.${number}.${now_ms}`);
    }
    const ended = new Promise((resolve) => this.addEventListener("loadend", resolve, { once: true }));
    track_request(number, `${method} ${url}`, ended);
    return send.apply(this, args);
  };

  control.methods.hold = ({ request, delay_ms }) => {
    if (pending.has(request)) {
      held.set(request, delay_ms === null ? Infinity : now_ms + delay_ms);
      wake();
    }
  };

  // --- moving time ----------------------------------------------------------------------------
  const channel = new MessageChannel();
  const turns = [];
  channel.port1.onmessage = () => turns.shift()();
  const turn = () => new Promise((resolve) => {
    turns.push(resolve);
    channel.port2.postMessage(null);
  });
  const busy = () => pending.size > held.size;
  const settle = async () => {
    do {
      await turn();
      // Not before: what a callback's promises do in this turn still belongs to its timer.
      current_nesting = 0;
      while (busy()) {
        await new Promise((resolve) => { wake = resolve; });
        await turn();
      }
      // One more turn: what just settled may start the next request.
      await turn();
    } while (busy());
  };
  const next_release = () => {
    let first = null;
    for (const [request, due_ms] of held) {
      if (due_ms !== Infinity && (!first || due_ms < first.due_ms)) {
        first = { request, due_ms };
      }
    }
    return first;
  };
  const step = (limit_ms) => {
    const timer = next_timer();
    const release = next_release();
    if (release && release.due_ms <= limit_ms && (!timer || release.due_ms <= timer.due_ms)) {
      now_ms = Math.max(now_ms, release.due_ms);
      held.delete(release.request);
      control.send({ event: "release", request: release.request });
      return true;
    }
    if (timer && timer.due_ms <= limit_ms) {
      fire(timer);
      return true;
    }
    return false;
  };

  let moving = false;
  const exclusively = (move) => async (params) => {
    if (moving) {
      throw new Error("this clock is already moving");
    }
    moving = true;
    try {
      return await move(params);
    } finally {
      moving = false;
    }
  };
  control.methods.advance = exclusively(async ({ ms }) => {
    const target_ms = now_ms + ms;
    await settle();
    while (step(target_ms)) {
      await settle();
    }
    now_ms = target_ms;
    return { now_ms };
  });
  control.methods.run_next = exclusively(async () => {
    await settle();
    if (!step(Infinity)) {
      return null;
    }
    await settle();
    return { now_ms };
  });
  control.methods.set_date = ({ epoch_ms }) => {
    origin_ms = epoch_ms - now_ms;
  };
  control.methods.clock = () => ({
    now_ms,
    date_ms: origin_ms + now_ms,
    timers: [...timers.values()]
      .sort((a, b) => a.due_ms - b.due_ms || a.order - b.order)
      .map(({ id, due_ms, repeat, delay }) => ({ id, due_ms, interval_ms: repeat ? Number(delay) || 0 : null })),
    pending: [...pending].map(([key, what]) => ({ what, held: held.has(key) })),
  });
})();
