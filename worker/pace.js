/**
 * Pace: when the next request may leave. No code sends a request without asking here, so that no fault, and no series of
 * messages, can make a worker send in a loop.
 *
 * @module
 */

import { backoffMs } from "./backoff.js";
import { FLUSH_INTERVAL_MS, MAX_RETRY_AFTER_MS } from "./protocol.js";

/** @typedef {ReturnType<typeof createPace>} Pace */

/**
 * Create the pace of one kind of request. At most one request is under way, and every request is followed by a pause.
 *
 * @param {() => void} onOpen called at the end of every pause
 */
export function createPace(onOpen) {
  let isOpen = true;
  let failures = 0;
  let timer = 0;
  // All as of `performance.now()`. Infinity: a request is under way, or none may leave any more.
  let startedMs = 0;
  let earliestMs = 0;
  let opensMs = 0;

  /** @param {number} atMs time at which the pause ends; Infinity: never */
  const openAt = (atMs) => {
    clearTimeout(timer);
    opensMs = atMs;
    const open = () => {
      isOpen = true;
      onOpen();
    };
    if (atMs < Infinity) timer = setTimeout(open, atMs - performance.now());
  };

  return {
    /** Begin a request. @returns {boolean} false when none may leave now */
    begin() {
      if (!isOpen) return false;
      isOpen = false;
      startedMs = performance.now();
      earliestMs = opensMs = Infinity;
      return true;
    },

    /**
     * End the request: it has done its work.
     *
     * @param {number} pauseMs milliseconds; Infinity to send none any more
     */
    end(pauseMs) {
      failures = 0;
      openAt((earliestMs = performance.now() + pauseMs));
    },

    /**
     * End the request: it has failed, so that the pause grows with every failure.
     *
     * @param {number} retryAfterMs lower bound of the pause, in milliseconds. Up to a tenth is added: a server may give
     *   the same moment to all
     */
    fail(retryAfterMs) {
      earliestMs = performance.now() + retryAfterMs;
      const spreadMs = retryAfterMs * (1 + Math.random() / 10);
      openAt(performance.now() + Math.max(spreadMs, backoffMs(++failures)));
    },

    /**
     * The browser is online again: after failures, shorten the pause to one flush interval since the last request
     * began, but not below Retry-After. A network that comes and goes causes no more requests than that.
     */
    hurry() {
      if (failures) openAt(Math.min(opensMs, Math.max(earliestMs, startedMs + FLUSH_INTERVAL_MS)));
    },
  };
}

/**
 * Parse the `Retry-After` header of a response (RFC 9110, section 10.2.3): seconds, or an HTTP date.
 *
 * @param {Response} response
 * @returns {number} milliseconds from now, at most {@link MAX_RETRY_AFTER_MS}; 0 when missing or invalid
 */
export function parseRetryAfterMs({ headers }) {
  const retryAfter = headers.get("Retry-After");
  const requestedMs = Number(retryAfter) * 1000 || Date.parse(retryAfter ?? "") - Date.now() || 0;
  return Math.min(Math.max(0, requestedMs), MAX_RETRY_AFTER_MS);
}
