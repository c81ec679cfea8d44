/**
 * Web Locks that show to other contexts of the origin that this one still lives.
 *
 * @module
 */

/**
 * Acquire a lock and hold it until `signal` is aborted or this context ends. Where the browser has no locks, as on
 * plain HTTP, succeed at once.
 *
 * A context that steals the lock says nothing about this one: acquire it again.
 *
 * @param {string} name
 * @param {AbortSignal} signal
 * @param {boolean} [ifAvailable] fail when the lock is taken, instead of waiting for it
 * @returns {Promise<unknown>} truthy when the lock is held
 */
export function holdLock(name, signal, ifAvailable = false) {
  return new Promise((resolve) => {
    if (!navigator.locks) return resolve(name);
    const onGranted = (/** @type {unknown} */ lock) => {
      resolve(lock);
      return lock && new Promise((release) => signal.addEventListener("abort", release));
    };
    navigator.locks.request(name, ifAvailable ? { ifAvailable } : { signal }, onGranted).catch((error) => {
      // Stolen. WebKit may reject before it calls `onGranted`, with a lock that is not held any more.
      if (error.name === "AbortError" && !signal.aborted) holdLock(name, signal);
      resolve(error);
    });
  });
}
