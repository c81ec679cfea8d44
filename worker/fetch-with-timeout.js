/**
 * Requests that end: on a signal, or after a timeout.
 *
 * @module
 */

/**
 * Fetch, and abort on `signal` or after the timeout.
 *
 * @param {URL} url
 * @param {number} timeoutMs milliseconds
 * @param {AbortSignal} signal
 * @param {RequestInit} options of `fetch`, without `signal`
 * @returns {Promise<Response>}
 * @throws what `fetch` throws
 */
export function fetchWithTimeout(url, timeoutMs, signal, options) {
  return fetch(url, { ...options, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
}
