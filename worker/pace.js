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
  /** Timer of the pause; 0: a request may leave, -1: one is under way. */
  let timer = 0;
  let failures = 0;
  // As of `performance.now()`.
  let startedMs = 0;
  let hurriedMs = 0;

  /** @param {number} pauseMs */
  const openAfter = (pauseMs) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      onOpen();
    }, pauseMs);
  };

  return {
    /** Begin a request. A request that never ends is the last. @returns {boolean} false when none may leave now */
    begin() {
      if (timer) return false;
      timer = -1;
      startedMs = performance.now();
      return true;
    },

    /**
     * End the request: it has done its work.
     *
     * @param {number} pauseMs milliseconds
     */
    end(pauseMs) {
      failures = 0;
      openAfter(pauseMs);
    },

    /**
     * End the request: it has failed, so that the pause grows with every failure.
     *
     * @param {number} retryAfterMs lower bound of the pause, in milliseconds. Up to a tenth is added: a server may give
     *   the same moment to all
     */
    fail(retryAfterMs) {
      const nowMs = performance.now();
      const spreadMs = retryAfterMs * (1 + Math.random() / 10);
      const pauseMs = Math.max(spreadMs, backoffMs(++failures));
      hurriedMs = Math.min(nowMs + pauseMs, Math.max(nowMs + retryAfterMs, startedMs + FLUSH_INTERVAL_MS));
      openAfter(pauseMs);
    },

    /**
     * The browser is online again: after failures, shorten the pause to one flush interval since the last request
     * began, but not below Retry-After. A network that comes and goes causes no more requests than that.
     */
    hurry() {
      if (failures && timer > 0) openAfter(hurriedMs - performance.now());
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
