// Virtual timers of one scope, a worker's or a page's: setTimeout, setInterval and their clears,
// AbortSignal.timeout, delays of scheduler.postTask and Atomics.waitAsync; timeouts of XMLHttpRequests
// (xhr-timeouts.js) and its dates (dates.js). Time advances only by `fire` and `setNow`. HTML's rules for delays
// apply (integers, at least 4 ms from the sixth nesting on), so that a loop of zero delays ends as in real time.

/**
 * @typedef {object} VirtualTimer
 * @property {number} id
 * @property {Function | string} callback
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

  // All times are milliseconds since the start; `originMs` maps them to dates.
  let nowMs = 0;
  let originMs = epochMs;

  /** @type {Map<number, VirtualTimer>} */
  const timers = new Map();
  let nextTimerId = 1;
  let nextOrder = 0;
  let currentNesting = 0;

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
  const clear = (/** @type {unknown} */ id) => {
    timers.delete(Number(id));
  };
  Object.assign(scope, {
    /** @type {(callback: Function | string, delay?: unknown, ...args: unknown[]) => number} */
    setTimeout: function setTimeout(callback, delay, ...args) {
      return add(callback, delay, args, false);
    },
    /** @type {(callback: Function | string, delay?: unknown, ...args: unknown[]) => number} */
    setInterval: function setInterval(callback, delay, ...args) {
      return add(callback, delay, args, true);
    },
    clearTimeout: function clearTimeout(/** @type {unknown} */ id) {
      clear(id);
    },
    clearInterval: function clearInterval(/** @type {unknown} */ id) {
      clear(id);
    },
  });
  // Delays of other APIs: not rounded, not nested, of any length.
  const wait = (/** @type {() => void} */ callback, /** @type {number} */ delayMs) => {
    const id = nextTimerId++;
    const timer = { callback, args: [], nesting: 0, repeat: false, delay: delayMs };
    timers.set(id, { ...timer, id, dueMs: nowMs + delayMs, order: nextOrder++ });
    return id;
  };
  const nativeTimeout = scope.AbortSignal.timeout;
  scope.AbortSignal.timeout = function timeout(delay) {
    if (!(delay >= 0 && delay <= Number.MAX_SAFE_INTEGER)) {
      // It throws.
      return nativeTimeout.call(scope.AbortSignal, delay);
    }
    const controller = new AbortController();
    wait(() => controller.abort(new DOMException("signal timed out", "TimeoutError")), Math.trunc(delay));
    return controller.signal;
  };
  const { prototype: scheduler } = /** @type {any} */ (scope).Scheduler ?? {};
  const nativePostTask = scheduler?.postTask;
  if (nativePostTask) {
    /** @type {(callback: Function, options?: any) => Promise<unknown>} */
    scheduler.postTask = async function postTask(callback, { delay = 0, ...options } = {}) {
      if (delay > 0) {
        const { signal } = options;
        signal?.throwIfAborted();
        await new Promise((resolve, reject) => {
          const id = wait(() => resolve(undefined), delay);
          signal?.addEventListener("abort", () => {
            clear(id);
            reject(signal.reason);
          }, { once: true });
        });
      }
      return nativePostTask.call(this, callback, options);
    };
  }
  const atomics = /** @type {any} */ (scope).Atomics;
  const nativeWaitAsync = atomics.waitAsync;
  if (nativeWaitAsync) {
    /** @type {(array: unknown, index: number, value: unknown, timeout?: number) => object} */
    atomics.waitAsync = function waitAsync(array, index, value, timeout = Infinity) {
      if (!(timeout > 0 && timeout < Infinity)) {
        return nativeWaitAsync(array, index, value, timeout);
      }
      const waiting = nativeWaitAsync(array, index, value);
      if (!waiting.async) {
        return waiting;
      }
      const ended = new Promise((resolve) => {
        const id = wait(() => resolve("timed-out"), timeout);
        waiting.value.then((/** @type {string} */ result) => {
          clear(id);
          resolve(result);
        });
      });
      return { async: true, value: ended };
    };
  }

  installXhrTimeouts(scope, { nowMs: () => nowMs, wait, clear }, onXhrDue);
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
      try {
        if (typeof timer.callback === "function") {
          timer.callback.apply(scope, timer.args);
        } else {
          (0, eval)(String(timer.callback));
        }
      } catch (error) {
        // As in real time: the exception is reported, and the other timers fire.
        scope.reportError(error);
      }
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
