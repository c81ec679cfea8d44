// Virtual time waits for the worker's requests by fetch and XMLHttpRequest, for a limited real time. It does not
// wait for one that the test ignores, nor for one that a toxic or a route suspends, until some virtual time or
// for an unknown time: the clock itself brings that time about. Nor for one that the browser does not send
// before a suspended one has ended, for want of a connection or because both may share an entry of the cache.
const requests = (() => {
  // A request that has no response after this long, in real time, may be a long poll. The gateway knows: it may
  // also be on its way, in a browser that gets little of the processor.
  const PATIENCE_MS = 5000;
  // How long the browser may take to send a request while others are suspended; real time.
  const UNSENT_MS = 1000;

  /**
   * @typedef {object} ActiveRequest
   * @property {number} number
   * @property {WorkItem} item
   * @property {string | null} host to which it goes
   * @property {number} countedSinceMs real time
   * @property {number | undefined} patience the timer of its patience
   * @property {number | null} resumeMs virtual time at which it resumes by itself; null: it is not suspended
   * @property {boolean} wasSuspended
   * @property {boolean} isIgnored
   * @property {boolean} isOverdue
   * @property {boolean} isUnsent
   * @property {boolean} isExpiring whether its own timeout is ending it
   */
  /** @type {Map<number, ActiveRequest>} */
  const active = new Map();
  /** @type {Set<number>} */
  const ignored = new Set();
  /** The number of the request that each response belongs to. @type {WeakMap<Response, number>} */
  const numbers = new WeakMap();
  /** What reads the body of a response. @type {Map<number, WorkItem>} */
  const readings = new Map();

  const isCounted = (/** @type {ActiveRequest} */ { resumeMs, isIgnored, isOverdue, isUnsent, isExpiring }) => (
    !isOverdue && (isExpiring || (resumeMs === null && !isIgnored && !isUnsent))
  );
  /**
   * @param {ActiveRequest} request
   * @param {Partial<ActiveRequest>} changes
   */
  const update = (request, changes) => {
    const wasCounted = isCounted(request);
    Object.assign(request, changes);
    const counts = isCounted(request);
    work.setHeld(request.item, !counts);
    if (counts !== wasCounted || request.patience === undefined) {
      work.clearRealTimeout(request.patience);
      request.countedSinceMs = control.realNow();
      request.patience = counts
        ? work.setRealTimeout(() => control.send({ event: "isOverdue", request: request.number }), PATIENCE_MS)
        : undefined;
    }
  };

  // --- requests that the browser has not sent -------------------------------------------------
  let isChecking = false;
  const hasSuspended = () => [...active.values()].some(({ resumeMs }) => resumeMs !== null);
  const findUnsent = () => {
    isChecking = false;
    for (const [number, request] of active) {
      if (isCounted(request) && control.realNow() - request.countedSinceMs >= UNSENT_MS) {
        control.send({ event: "isSent", request: number });
      }
    }
    checkUnsent();
  };
  const checkUnsent = () => {
    if (!isChecking && hasSuspended() && [...active.values()].some(isCounted)) {
      isChecking = true;
      work.setRealTimeout(findUnsent, UNSENT_MS);
    }
  };
  // Those that may be sent next, because one to the same host has ended.
  /** @type {Set<ActiveRequest>} */
  const nextSent = new Set();
  const setUnsent = (/** @type {ActiveRequest | undefined} */ state) => {
    if (state) {
      nextSent.delete(state);
      if (hasSuspended()) {
        update(state, { isUnsent: true });
      }
    }
  };
  /** @param {{ request: number }} params */
  control.methods.unsent = ({ request }) => setUnsent(active.get(request));
  const setSent = (/** @type {ActiveRequest | undefined} */ state) => {
    if (state && state.isUnsent) {
      update(state, { isUnsent: false });
    }
  };
  /** @param {{ request: number }} params */
  control.methods.sent = ({ request }) => {
    const state = active.get(request);
    if (state && !nextSent.delete(state)) {
      // It has the connection that another one was expected to get.
      setUnsent(nextSent.values().next().value);
    }
    setSent(state);
  };
  // One to the same host gets the connection, mostly the oldest. Time waits for that one only: to wait for each
  // that remains unsent would take a moment for each one that ends.
  const noteFreeConnection = (/** @type {string | null} */ host) => {
    if (!hasSuspended()) {
      active.forEach(setSent);
    }
    const next = [...active.values()].find((request) => request.isUnsent && request.host === host);
    if (next) {
      nextSent.add(next);
      setSent(next);
    }
    checkUnsent();
  };

  // --- their way ------------------------------------------------------------------------------
  const { URL: NativeURL } = self;
  const getHost = (/** @type {string} */ what) => {
    try {
      return new NativeURL(what.slice(what.indexOf(" ") + 1), location.href).host;
    } catch {
      return null;
    }
  };
  const begin = (/** @type {number} */ number, /** @type {string} */ what) => {
    const request = {
      number, item: work.begin(what), host: getHost(what), countedSinceMs: 0, patience: undefined, resumeMs: null, wasSuspended: false,
      isIgnored: false, isOverdue: false, isUnsent: false, isExpiring: false,
    };
    active.set(number, request);
    update(request, {});
    checkUnsent();
  };
  // The gateway learns that a suspended request goes on: its time has come, or the worker abandons it.
  const resume = (/** @type {number} */ number) => {
    const request = active.get(number);
    if (request && request.resumeMs !== null) {
      update(request, { resumeMs: null });
      control.send({ event: "resume", request: number });
    }
  };
  const abandon = resume;
  const end = (/** @type {number} */ number, isRepeatable = false) => {
    abandon(number);
    const request = active.get(number);
    if (request) {
      work.clearRealTimeout(request.patience);
      work.end(request.item);
      active.delete(number);
      nextSent.delete(request);
      if (request.wasSuspended) {
        noteFreeConnection(request.host);
      }
    }
    if (!isRepeatable) {
      control.send({ event: "requestEnd", request: number });
    }
  };
  announcements.follow(
    ({ number, what }, response, signal) => {
      if (signal) {
        listen(signal, "abort", () => abandon(number));
      }
      begin(number, what);
      then(response, (value) => { numbers.set(value, number); }, () => {});
      return work.untilSettled(response, () => end(number));
    },
    { begin: ({ number, what }) => begin(number, what), end: (number) => end(number) },
  );
  replace.method(Response.prototype, "clone", (native, response, args) => {
    const copy = native(response, args);
    const number = numbers.get(response);
    if (number !== undefined) {
      numbers.set(copy, number);
    }
    return copy;
  });

  /** @param {{ request: number, delayMs: number | null }} params */
  control.methods.suspend = ({ request, delayMs }) => {
    const state = active.get(request);
    if (state) {
      const resumeMs = delayMs === null ? Infinity : Number(control.nowMs()) + delayMs;
      update(state, { resumeMs, wasSuspended: true });
      checkUnsent();
    } else {
      control.send({ event: "resume", request });
    }
  };
  /** @param {{ request: number }} params */
  control.methods.resume = ({ request }) => {
    const state = active.get(request);
    if (state && state.resumeMs !== null) {
      update(state, { resumeMs: null });
    }
  };
  /** A toxic delays a message. @param {{ request: number, delayMs: number }} params */
  control.methods.delay = ({ request, delayMs }) => {
    begin(request, "a delayed message");
    control.methods.suspend({ request, delayMs });
  };
  /** @param {{ request: number }} params */
  control.methods.endDelay = ({ request }) => {
    messages.touch();
    end(request, true);
  };
  /** @param {{ request: number }} params */
  control.methods.overdue = ({ request }) => {
    const state = active.get(request);
    // Unless it was suspended meanwhile, and waits anew.
    if (state && isCounted(state) && control.realNow() - state.countedSinceMs >= PATIENCE_MS) {
      update(state, { isOverdue: true });
    }
  };
  /** @param {{ request: number }} params */
  control.methods.ignore = ({ request }) => {
    ignored.add(request);
    const state = active.get(request);
    if (state) {
      update(state, { isIgnored: true });
    }
    work.setHeld(readings.get(request), true);
  };

  return {
    begin,
    /** `isRepeatable`: the browser may make the same request again. */
    end,
    /** Time waits for the end of a request whose timeout is due. */
    expire: (/** @type {XMLHttpRequest} */ xhr) => {
      const request = active.get(announcements.getNumber(xhr) ?? 0);
      if (request) {
        update(request, { isExpiring: true, isOverdue: false });
      }
    },
    isIgnored: (/** @type {number} */ number) => ignored.has(number),
    /** The suspended request that resumes first, and when; null where none does by itself. */
    nextResume: () => {
      /** @type {{ request: number, dueMs: number } | null} */
      let first = null;
      for (const [request, { resumeMs }] of active) {
        if (resumeMs !== null && resumeMs !== Infinity && (!first || resumeMs < first.dueMs)) {
          first = { request, dueMs: resumeMs };
        }
      }
      return first;
    },
    resume,
    /**
     * Time waits until the body of a response is read, for a limited real time.
     *
     * @template Value
     * @param {Response} response
     * @param {Promise<Value>} promise
     */
    whileReading: (response, promise) => {
      const number = numbers.get(response);
      const { item, outcome } = work.beginPatiently(
        `reading the response of ${response.url}`, promise, PATIENCE_MS,
        () => {
          if (number !== undefined && readings.get(number) === item) {
            readings.delete(number);
          }
        },
      );
      if (number !== undefined) {
        readings.set(number, item);
        work.setHeld(item, ignored.has(number));
      }
      return outcome;
    },
  };
})();
