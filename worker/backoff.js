/**
 * Backoff with jitter: how long to wait after failures.
 *
 * @module
 */

import { FIRST_BACKOFF_MS, MAX_BACKOFF_MS, MIN_BACKOFF_MS } from "./protocol.js";

/**
 * Return the wait before the next attempt: exponential backoff with jitter. The upper bound doubles with every failure,
 * from {@link FIRST_BACKOFF_MS} to {@link MAX_BACKOFF_MS}. The jitter spreads the retries of browsers that failed at
 * the same time over the whole range.
 *
 * @param {number} failures consecutive failures, from 1
 * @returns {number} milliseconds, from {@link MIN_BACKOFF_MS} to the bound
 */
export function backoffMs(failures) {
  const boundMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
  return MIN_BACKOFF_MS + Math.random() * (boundMs - MIN_BACKOFF_MS);
}
