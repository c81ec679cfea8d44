// The timeout of an XMLHttpRequest in virtual time: the browser gets a very long one, and a very short one when it
// is due. WebKit ignores a timeout that is set on a request that was sent without one.

/**
 * @typedef {object} TimeoutClock
 * @property {() => number} nowMs
 * @property {(callback: () => void, delayMs: number) => number} wait
 * @property {(id: number) => void} clear
 */

const installXhrTimeouts = (
  /** @type {typeof globalThis} */ scope,
  /** @type {TimeoutClock} */ clock,
  /** @type {(xhr: XMLHttpRequest) => void} */ onDue,
) => {
  /**
   * @typedef {object} TimeoutState
   * @property {number} timeoutMs
   * @property {boolean} isSynchronous
   * @property {number | null} sentMs null: it is not under way
   * @property {number | null} timer
   */
  const longestMs = 2 ** 31 - 1;
  /** @type {WeakMap<XMLHttpRequest, TimeoutState>} */
  const states = new WeakMap();
  const { prototype } = scope.XMLHttpRequest;
  const native = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(prototype, "timeout"));
  const setNative = (/** @type {XMLHttpRequest} */ xhr, /** @type {unknown} */ value) => native.set?.call(xhr, value);
  const nativeAdd = scope.EventTarget.prototype.addEventListener;

  const getState = (/** @type {XMLHttpRequest} */ xhr) => {
    let state = states.get(xhr);
    if (!state) {
      state = { timeoutMs: 0, isSynchronous: false, sentMs: null, timer: null };
      states.set(xhr, state);
      nativeAdd.call(xhr, "loadend", () => stop(xhr), true);
    }
    return state;
  };
  const clear = (/** @type {TimeoutState} */ state) => {
    if (state.timer !== null) {
      clock.clear(state.timer);
      state.timer = null;
    }
  };
  const stop = (/** @type {XMLHttpRequest} */ xhr) => {
    const state = getState(xhr);
    clear(state);
    state.sentMs = null;
  };
  const start = (/** @type {XMLHttpRequest} */ xhr, /** @type {TimeoutState} */ state) => {
    clear(state);
    if (state.sentMs !== null && state.timeoutMs > 0) {
      const leftMs = Math.max(0, state.sentMs + state.timeoutMs - clock.nowMs());
      state.timer = clock.wait(() => {
        state.timer = null;
        onDue(xhr);
        setNative(xhr, 1);
      }, leftMs);
    }
  };

  replace.getter(prototype, "timeout", (get, xhr) => {
    const timeoutMs = get(xhr, []);
    return states.get(xhr)?.timeoutMs ?? timeoutMs;
  });
  replace.setter(prototype, "timeout", (set, xhr, args) => {
    // The browser converts it, and throws.
    set(xhr, args);
    const state = getState(xhr);
    state.timeoutMs = native.get?.call(xhr);
    if (!state.isSynchronous) {
      setNative(xhr, state.timeoutMs && longestMs);
      start(xhr, state);
    }
  });
  replace.method(prototype, "open", (open, xhr, args) => {
    const isSynchronous = args.length > 2 && !args[2];
    const state = getState(xhr);
    if (state.timeoutMs && !isSynchronous) {
      setNative(xhr, longestMs);
    }
    open(xhr, args);
    stop(xhr);
    state.isSynchronous = isSynchronous;
    if (isSynchronous) {
      // The thread is blocked, and virtual time could not move meanwhile.
      setNative(xhr, state.timeoutMs);
    }
  });
  replace.method(prototype, "send", (send, xhr, args) => {
    const state = getState(xhr);
    const wasSent = state.sentMs !== null;
    if (!wasSent && !state.isSynchronous) {
      state.sentMs = clock.nowMs();
    }
    try {
      send(xhr, args);
      if (!wasSent) {
        start(xhr, state);
      }
    } catch (error) {
      if (!wasSent) {
        stop(xhr);
      }
      throw error;
    }
  });
  replace.method(prototype, "abort", (abort, xhr, args) => {
    abort(xhr, args);
    stop(xhr);
  });
};
