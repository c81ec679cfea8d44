/**
 * How long to wait after failures.
 *
 * @module
 */

import { FLUSH_INTERVAL_MS, MAX_BACKOFF_MS } from "./protocol.js";

/**
 * Exponential backoff with full jitter: the bound doubles with every failure, from one flush interval to
 * {@link MAX_BACKOFF_MS}; chance spreads the browsers that failed together over all of it.
 *
 * @param {number} failures how many in a row, from 1
 * @returns {number} milliseconds
 */
export function backoffMs(failures) {
  return Math.random() * Math.min(MAX_BACKOFF_MS, FLUSH_INTERVAL_MS * 2 ** (failures - 1));
}
