// The timeout of an XMLHttpRequest in virtual time: the browser gets none, and a very short one when it is due.

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
  /** @type {WeakMap<XMLHttpRequest, TimeoutState>} */
  const states = new WeakMap();
  const { prototype } = scope.XMLHttpRequest;
  const native = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(prototype, "timeout"));
  const setNative = (/** @type {XMLHttpRequest} */ xhr, /** @type {unknown} */ value) => native.set?.call(xhr, value);
  const nativeAdd = scope.EventTarget.prototype.addEventListener;
  const open = /** @type {Function} */ (prototype.open);
  const { send, abort } = prototype;

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

  Object.defineProperty(prototype, "timeout", {
    ...native,
    get() {
      const timeoutMs = native.get?.call(this);
      return states.get(this)?.timeoutMs ?? timeoutMs;
    },
    set(value) {
      // The browser converts it, and throws.
      setNative(this, value);
      const state = getState(this);
      state.timeoutMs = native.get?.call(this);
      if (!state.isSynchronous) {
        setNative(this, 0);
        start(this, state);
      }
    },
  });
  prototype.open = function (/** @type {any[]} */ ...args) {
    const isSynchronous = args.length > 2 && !args[2];
    const state = getState(this);
    if (state.timeoutMs && !isSynchronous) {
      setNative(this, 0);
    }
    const result = open.apply(this, args);
    stop(this);
    state.isSynchronous = isSynchronous;
    if (isSynchronous) {
      // The thread is blocked, and virtual time could not move meanwhile.
      setNative(this, state.timeoutMs);
    }
    return result;
  };
  prototype.send = function (/** @type {any[]} */ ...args) {
    const state = getState(this);
    const wasSent = state.sentMs !== null;
    if (!wasSent && !state.isSynchronous) {
      state.sentMs = clock.nowMs();
    }
    try {
      const result = Reflect.apply(send, this, args);
      if (!wasSent) {
        start(this, state);
      }
      return result;
    } catch (error) {
      if (!wasSent) {
        stop(this);
      }
      throw error;
    }
  };
  prototype.abort = function () {
    const result = abort.call(this);
    stop(this);
    return result;
  };
};
