// Virtual time of a worker: it moves only when the harness moves it, fires timers in order, and waits
// for the requests they start before it moves on. Tabs on virtual time move along, in one order.
(() => {
  const timers = make_timers(self, control.epoch_ms);
  const native = { fetch: self.fetch };
  control.now_ms = timers.now_ms;

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
    headers.set(settings.tag, `${control.id}.${number}.${timers.now_ms()}`);
  };
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
      control.send({ event: "release", request: number });
    }
  };
  const track_request = (number, what, promise) => {
    pending.set(number, what);
    const done = () => {
      pending.delete(number);
      give_up(number);
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
    const signal = (init && init.signal) || (request && request.signal);
    if (signal) {
      signal.addEventListener("abort", () => give_up(number));
    }
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
    opened.set(this, { method, url: String(url), waits: rest.length > 0 && !rest[0] });
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (...args) {
    const { method, url, waits } = opened.get(this) || { method: "GET", url: "" };
    if (waits) {
      // The worker stands still until it is answered: nobody could move its time meanwhile.
      return send.apply(this, args);
    }
    const number = next_request++;
    if (same_origin(url)) {
      this.setRequestHeader(settings.tag, `${control.id}.${number}.${timers.now_ms()}`);
    }
    const ended = new Promise((resolve) => this.addEventListener("loadend", resolve, { once: true }));
    track_request(number, `${method} ${url}`, ended);
    return send.apply(this, args);
  };

  control.methods.hold = ({ request, delay_ms }) => {
    if (pending.has(request)) {
      held.set(request, delay_ms === null ? Infinity : timers.now_ms() + delay_ms);
      wake();
    } else {
      control.send({ event: "release", request });
    }
  };

  control.methods.let_go = ({ request }) => {
    held.delete(request);
    wake();
  };

  // --- tabs on virtual time -------------------------------------------------------------------
  // Each has timers of its own and answers on its own port, behind all that these timers posted.
  const tabs = (() => {
    let clocks = new Map();
    let waiting = 0;
    let all_there = () => {};
    let target_ms = Infinity;
    control.on_tab = (port, next_due_ms) => {
      const clock = clocks.get(port);
      if (clock) {
        clock.due_ms = next_due_ms === null ? Infinity : next_due_ms + clock.offset_ms;
        waiting -= 1;
        if (waiting === 0) {
          all_there();
        }
      }
    };
    return {
      // `states` tells of each tab's port where its clock stands and when its next timer is due.
      join: (states, to_ms) => {
        target_ms = to_ms;
        clocks = new Map();
        for (const [port, { now_ms, next_due_ms }] of Object.entries(states || {})) {
          const offset_ms = timers.now_ms() - now_ms;
          clocks.set(port, { offset_ms, due_ms: next_due_ms === null ? Infinity : next_due_ms + offset_ms });
        }
      },
      next_due_ms: () => {
        let first_ms = Infinity;
        for (const { due_ms } of clocks.values()) {
          first_ms = Math.min(first_ms, due_ms);
        }
        return first_ms;
      },
      run_to: async (to_ms) => {
        const moved = [...clocks].filter(([, { due_ms }]) => due_ms <= to_ms || to_ms === target_ms);
        waiting = moved.length;
        if (waiting === 0) {
          return;
        }
        const done = new Promise((resolve) => { all_there = resolve; });
        const date_ms = timers.date_ms() - timers.now_ms() + to_ms;
        for (const [port, { offset_ms }] of moved) {
          control.ports.get(port).postMessage({ [settings.mark]: { run_to_ms: to_ms - offset_ms, date_ms } });
        }
        await done;
      },
    };
  })();

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
    await turn();
    // Not before: what a callback's promises do in this turn still belongs to its timer.
    timers.end_task();
    while (busy()) {
      await new Promise((resolve) => { wake = resolve; });
      // Two turns: what just settled may go on in a task of its own and start the next request.
      await turn();
      await turn();
    }
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
  const step = async (limit_ms) => {
    const timer = timers.next();
    const release = next_release();
    const tab_ms = tabs.next_due_ms();
    const due_ms = Math.min(timer ? timer.due_ms : Infinity, release ? release.due_ms : Infinity, tab_ms);
    if (due_ms > limit_ms || due_ms === Infinity) {
      return false;
    }
    if (tab_ms === due_ms) {
      await tabs.run_to(due_ms);
      timers.set_now(due_ms);
    } else if (release && release.due_ms === due_ms) {
      timers.set_now(due_ms);
      held.delete(release.request);
      control.send({ event: "release", request: release.request });
    } else {
      timers.fire(timer);
    }
    return true;
  };

  let moving = false;
  const exclusively = (move) => async (params) => {
    if (moving) {
      throw new Error("this clock is already moving: let the other advance return first");
    }
    moving = true;
    try {
      return await move(params);
    } finally {
      moving = false;
    }
  };
  control.methods.advance = exclusively(async ({ ms, tab_clocks }) => {
    const target_ms = timers.now_ms() + ms;
    tabs.join(tab_clocks, target_ms);
    await settle();
    while (await step(target_ms)) {
      await settle();
    }
    timers.set_now(target_ms);
    await tabs.run_to(target_ms);
    return { now_ms: target_ms };
  });
  control.methods.run_next = exclusively(async ({ tab_clocks }) => {
    tabs.join(tab_clocks, Infinity);
    await settle();
    if (!(await step(Infinity))) {
      return null;
    }
    await settle();
    return { now_ms: timers.now_ms() };
  });
  control.methods.set_date = ({ epoch_ms }) => timers.set_date(epoch_ms);
  control.methods.clock = () => ({
    now_ms: timers.now_ms(),
    date_ms: timers.date_ms(),
    moving,
    timers: timers.list(),
    pending: [...pending].map(([key, what]) => ({ what, held: held.has(key) })),
  });
})();
