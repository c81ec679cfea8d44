/**
 * Requests that end: on a signal, or after a timeout.
 *
 * @module
 */

/**
 * Fetch, and abort on `signal` or after the timeout. A redirect is an error: the page behind it, such as a login page or
 * another origin, neither stores batches nor decides about telemetry.
 *
 * @param {URL} url
 * @param {number} timeoutMs milliseconds
 * @param {AbortSignal} signal
 * @param {RequestInit} options of `fetch`, without `signal` and `redirect`
 * @returns {Promise<Response>}
 * @throws what `fetch` throws
 */
export function fetchWithTimeout(url, timeoutMs, signal, options) {
  return fetch(url, {
    ...options,
    redirect: "error",
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  });
}
