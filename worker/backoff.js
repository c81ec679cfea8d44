/**
 * Backoff with jitter: how long to wait after failures.
 *
 * @module
 */

import { FLUSH_INTERVAL_MS, MAX_BACKOFF_MS } from "./protocol.js";

/**
 * Return the wait before the next attempt: exponential backoff with full jitter. The upper bound doubles with
 * every failure, from one flush interval to {@link MAX_BACKOFF_MS}. The jitter spreads the retries of browsers
 * that failed at the same time over the whole range.
 *
 * @param {number} failures consecutive failures, from 1
 * @returns {number} milliseconds, from 0 to the bound
 */
export function backoffMs(failures) {
  return Math.random() * Math.min(MAX_BACKOFF_MS, FLUSH_INTERVAL_MS * 2 ** (failures - 1));
}
