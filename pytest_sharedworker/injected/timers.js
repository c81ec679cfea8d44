// Virtual timers of one scope, a worker's or a page's: setTimeout, setInterval and their clears,
// AbortSignal.timeout, delays of scheduler.postTask and Atomics.waitAsync; timeouts of XMLHttpRequests
// (xhr-timeouts.js) and its dates (dates.js). Time advances only by `fire` and `setNow`. HTML's rules for delays
// apply (integers, at least 4 ms from the sixth nesting on), so that a loop of zero delays ends as in real time.

/**
 * @typedef {object} VirtualTimer
 * @property {number} id
 * @property {Function | string} callback a text may be a TrustedScript
 * @property {unknown[]} args
 * @property {number} nesting
 * @property {boolean} repeat
 * @property {number} delay as the script gave it
 * @property {number} dueMs
 * @property {number} order decides between timers that are due at the same time
 */

/** @typedef {ReturnType<typeof makeTimers>} Timers */

const makeTimers = (
  /** @type {typeof globalThis} */ scope,
  /** @type {number} */ epochMs,
  /** @type {(xhr: XMLHttpRequest) => void} called before a request times out */ onXhrDue = () => {},
) => {
  const MINIMUM_NESTED_DELAY_MS = 4;
  const FREE_NESTING = 5;
  const LONGEST_DELAY_MS = 2 ** 31 - 1;

  // All times are milliseconds since the start; `originMs` maps them to dates.
  let nowMs = 0;
  let originMs = epochMs;

  /** @type {Map<number, VirtualTimer>} */
  const timers = new Map();
  let nextTimerId = 1;
  let nextOrder = 0;
  let currentNesting = 0;

  // Callbacks run as listeners: the browser itself reports what one throws, with its own text and the place in the
  // app's script, and the other timers fire. In a page the listener is in a shadow tree, so that the event does not
  // become `window.event`.
  const { apply } = scope.Reflect;
  const { Event: NativeEvent, EventTarget: NativeEventTarget, document } = /** @type {any} */ (scope);
  const makeElement = () => document.createElementNS("http://www.w3.org/1999/xhtml", "div");
  /** @type {EventTarget} */
  const target = document ? makeElement().attachShadow({ mode: "closed" }).appendChild(makeElement())
    : new NativeEventTarget();
  const dispatch = target.dispatchEvent.bind(target);
  let run = () => {};
  target.addEventListener("timer", () => run());

  const clampDelay = (/** @type {number} */ delay, /** @type {number} */ nesting) => {
    const integerMs = Math.max(0, delay | 0);
    return nesting > FREE_NESTING ? Math.max(MINIMUM_NESTED_DELAY_MS, integerMs) : integerMs;
  };
  /**
   * @param {Function | string} callback
   * @param {any} delay
   * @param {unknown[]} args
   * @param {boolean} repeat
   */
  const add = (callback, delay, args, repeat) => {
    const nesting = currentNesting + 1;
    const timer = {
      id: nextTimerId++, callback, args, nesting, repeat, delay,
      dueMs: nowMs + clampDelay(delay, nesting), order: nextOrder++,
    };
    timers.set(timer.id, timer);
    return timer.id;
  };
  const remove = (/** @type {number} */ id) => {
    timers.delete(id);
  };
  const clear = (/** @type {any} */ given) => {
    // Converted as by the browser, which throws for a BigInt or a symbol.
    const id = given | 0;
    if (id > 0) {
      remove(id);
    }
  };
  const setNative = scope.setTimeout.bind(scope);
  const clearNative = scope.clearTimeout.bind(scope);
  const { TrustedScript } = /** @type {any} */ (scope);
  // Called on another object, or without a callback, these throw as the browser's own do.
  const isScope = (/** @type {unknown} */ self) => self === undefined || self === null || self === scope;
  for (const [name, repeats] of /** @type {[string, boolean][]} */ ([["setTimeout", false], ["setInterval", true]])) {
    replace.method(scope, name, (native, self, args) => {
      const [callback, delay, ...rest] = args;
      if (!isScope(self) || args.length === 0) {
        return native(self, args);
      }
      if (typeof callback === "function") {
        return add(callback, delay, rest, repeats);
      }
      const text = TrustedScript && callback instanceof TrustedScript ? callback : String(callback);
      // The page's policy may forbid to run text: then the browser makes no timer, and reports it.
      const id = native(self, [text, LONGEST_DELAY_MS]);
      clearNative(id);
      return id === 0 ? 0 : add(text, delay, rest, repeats);
    });
  }
  for (const name of ["clearTimeout", "clearInterval"]) {
    replace.method(scope, name, (native, self, args) => (isScope(self) ? clear(args[0]) : native(self, args)));
  }
  // Delays of other APIs: not rounded, not nested, of any length. Their ids are negative, so that an app that clears
  // all its timers by counting does not end them.
  let nextWaitId = -1;
  const wait = (/** @type {() => void} */ callback, /** @type {number} */ delayMs) => {
    const id = nextWaitId--;
    const timer = { callback, args: [], nesting: 0, repeat: false, delay: delayMs };
    timers.set(id, { ...timer, id, dueMs: nowMs + delayMs, order: nextOrder++ });
    return id;
  };
  const { AbortController: NativeAbortController, DOMException: NativeException } = scope;
  // It aborts at once, with the text of this browser.
  const sample = scope.AbortSignal.timeout(0);
  const makeTimeoutError = () => new NativeException(sample.reason?.message ?? "signal timed out", "TimeoutError");
  replace.method(scope.AbortSignal, "timeout", (native, self, args) => {
    const delay = Number(args[0]);
    if (args.length === 0 || !(delay >= 0 && delay <= Number.MAX_SAFE_INTEGER)) {
      // It throws.
      return native(self, args);
    }
    const controller = new NativeAbortController();
    wait(() => controller.abort(makeTimeoutError()), Math.trunc(delay));
    return controller.signal;
  });
  const { AbortSignal: NativeAbortSignal, Scheduler: NativeScheduler } = /** @type {any} */ (scope);
  const PRIORITIES = [undefined, "background", "user-blocking", "user-visible"];
  const toTaskDelay = (/** @type {any} */ delay) => {
    try {
      return Math.trunc(+delay);
    } catch {
      return NaN;
    }
  };
  replace.method(NativeScheduler?.prototype, "postTask", (native, self, args) => {
    const [callback, options] = args;
    const { delay: given, priority, signal } = options ?? {};
    const delay = given === undefined ? 0 : toTaskDelay(given);
    if (
      !(delay > 0 && delay <= Number.MAX_SAFE_INTEGER) || !(self instanceof NativeScheduler)
      || typeof callback !== "function" || !PRIORITIES.includes(priority)
      || !(signal === undefined || (signal instanceof NativeAbortSignal && !signal.aborted))
    ) {
      // Without a delay, or it rejects.
      return native(self, args);
    }
    const postDelayed = async () => {
      await new Promise((resolve, reject) => {
        const id = wait(() => resolve(undefined), delay);
        if (signal) {
          listen(signal, "abort", () => {
            remove(id);
            reject(signal.reason);
          }, { once: true });
        }
      });
      return native(self, [callback, { priority, signal }]);
    };
    return postDelayed();
  });
  replace.method(/** @type {any} */ (scope).Atomics, "waitAsync", (native, self, args) => {
    const [array, index, value, timeout = Infinity] = args;
    if (!(timeout > 0 && timeout < Infinity)) {
      return native(self, args);
    }
    const waiting = native(self, [array, index, value]);
    if (!waiting.async) {
      return waiting;
    }
    const ended = new Promise((resolve) => {
      const id = wait(() => resolve("timed-out"), timeout);
      then(waiting.value, (/** @type {string} */ result) => {
        remove(id);
        resolve(result);
      }, () => {});
    });
    return { async: true, value: ended };
  });

  installXhrTimeouts(scope, { nowMs: () => nowMs, wait, clear: remove }, onXhrDue);
  installDates(scope, { nowMs: () => nowMs, dateMs: () => originMs + nowMs, epochMs });

  const sort = () => [...timers.values()].sort((a, b) => a.dueMs - b.dueMs || a.order - b.order);

  return {
    nowMs: () => nowMs,
    dateMs: () => originMs + nowMs,
    setNow: (/** @type {number} */ ms) => {
      nowMs = Math.max(nowMs, ms);
    },
    setDate: (/** @type {number} */ ms) => {
      originMs = ms - nowMs;
    },
    /** The timer that fires next. */
    next: () => {
      /** @type {VirtualTimer | null} */
      let first = null;
      for (const timer of timers.values()) {
        if (!first || timer.dueMs < first.dueMs || (timer.dueMs === first.dueMs && timer.order < first.order)) {
          first = timer;
        }
      }
      return first;
    },
    /** Calls the callback. The browser runs a text, as a script of its own: await the promise. */
    fire: (/** @type {VirtualTimer} */ timer) => {
      nowMs = Math.max(nowMs, timer.dueMs);
      if (timer.repeat) {
        timer.nesting += 1;
        timer.dueMs = nowMs + Math.max(1, clampDelay(timer.delay, timer.nesting));
        timer.order = nextOrder++;
      } else {
        timers.delete(timer.id);
      }
      currentNesting = timer.nesting;
      const { callback, args } = timer;
      if (typeof callback !== "function") {
        setNative(callback, 0);
        return new Promise((resolve) => { setNative(resolve, 0); });
      }
      run = () => apply(callback, scope, args);
      dispatch(new NativeEvent("timer"));
      return undefined;
    },
    /** Ends the task that `fire` began; call it when the callback's promises have run. */
    endTask: () => {
      currentNesting = 0;
    },
    /** Sets every timer that is due until then to this time, in the same order: each fires once. */
    postponeTo: (/** @type {number} */ ms) => {
      for (const timer of sort().filter(({ dueMs }) => dueMs <= ms)) {
        timer.dueMs = ms;
        timer.order = nextOrder++;
      }
    },
    list: () => sort().map(({ dueMs, repeat, delay }) => ({
      dueMs, intervalMs: repeat ? Number(delay) || 0 : null,
    })),
  };
};
