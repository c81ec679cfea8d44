// Pending work: what the browser does for the worker and virtual time waits for. Work that is excluded (`held`)
// goes on, and time does not wait for it.

/**
 * @typedef {object} WorkItem
 * @property {string} what description for messages, such as that of a wait that times out
 * @property {boolean} held excluded: time does not wait for it
 */

const work = (() => {
  // A stream may stay open as long as the worker runs. A read that has returned nothing for this long, in real
  // time, is excluded.
  const STREAM_PATIENCE_MS = 1000;
  const setRealTimeout = self.setTimeout.bind(self);
  const clearRealTimeout = self.clearTimeout.bind(self);

  /** @type {Set<WorkItem>} */
  const all = new Set();
  let running = 0;
  /** @type {(value?: unknown) => void} */
  let wake = () => {};

  const begin = (/** @type {string} */ what) => {
    const item = { what, held: false };
    all.add(item);
    running += 1;
    return item;
  };
  const setHeld = (/** @type {WorkItem | undefined} */ item, /** @type {boolean} */ held) => {
    if (item && all.has(item) && item.held !== held) {
      item.held = held;
      running += held ? -1 : 1;
      wake();
    }
  };
  const end = (/** @type {WorkItem | undefined} */ item) => {
    if (item && all.delete(item)) {
      running -= item.held ? 0 : 1;
      wake();
    }
  };
  /**
   * @template Value
   * @param {Promise<Value>} promise
   * @param {() => void} done
   * @returns {Promise<Value>} to use in place of `promise`, so that an unhandled rejection is still reported
   */
  const untilSettled = (promise, done) => then(
    promise,
    (value) => {
      done();
      return value;
    },
    (error) => {
      done();
      throw error;
    },
  );

  /**
   * @template Value
   * @param {string} what
   * @param {Promise<Value>} promise
   * @param {number} patienceMs
   * @param {() => void} done called when it has ended
   */
  const beginPatiently = (what, promise, patienceMs, done = () => {}) => {
    const item = begin(what);
    const patience = setRealTimeout(setHeld, patienceMs, item, true);
    const outcome = untilSettled(promise, () => {
      clearRealTimeout(patience);
      end(item);
      done();
    });
    return { item, outcome };
  };

  return {
    setRealTimeout,
    clearRealTimeout,
    begin,
    setHeld,
    end,
    untilSettled,
    /**
     * @template Value
     * @param {string} what
     * @param {Promise<Value>} promise
     */
    until: (what, promise) => {
      const item = begin(what);
      return untilSettled(promise, () => end(item));
    },
    /**
     * @param {string} what
     * @param {EventTarget} target
     * @param {string[]} types the events, each of which ends the work
     * @param {number} [patienceMs] for how much real time at most
     */
    untilEvent: (what, target, types, patienceMs) => {
      const item = begin(what);
      const patience = patienceMs && setRealTimeout(setHeld, patienceMs, item, true);
      for (const type of types) {
        listen(target, type, () => {
          clearRealTimeout(patience);
          end(item);
        }, { once: true });
      }
    },
    /**
     * Like `until`, for a limited real time; also returns the item.
     *
     * @template Value
     * @param {string} what
     * @param {Promise<Value>} promise
     * @param {number} patienceMs
     * @param {() => void} [done] called when it has ended
     */
    beginPatiently,
    /**
     * Like `until`, for at most STREAM_PATIENCE_MS of real time.
     *
     * @template Value
     * @param {string} what
     * @param {Promise<Value>} promise
     */
    whilePatient: (what, promise) => beginPatiently(what, promise, STREAM_PATIENCE_MS).outcome,
    isRunning: () => running > 0,
    nextChange: () => new Promise((resolve) => { wake = resolve; }),
    list: () => [...all].map(({ what, held }) => ({ what, held })),
  };
})();
