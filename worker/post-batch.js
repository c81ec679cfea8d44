/**
 * Requests with an end, and what the server's answer to a POST means for the records in it.
 *
 * @module
 */

import { MAX_RETRY_AFTER_MS, POST_TIMEOUT_MS } from "./protocol.js";

/** The server has the records, or will never take them: forget them, and in the second case count them. */
export const TAKEN = 1;
export const REFUSED = 2;
/** Too much at once: send less. */
export const TOO_LARGE = 3;
/** Send the same again later. */
export const FAILED = 4;
/** Whoever this server is, it does not want to hear of it: keep the records for the next worker. */
export const TURNED_AWAY = 5;
/** Telemetry has been disabled: drop everything. */
export const DISABLED = 6;

/** @type {{[status: number]: number}} */
const OUTCOMES = {
  204: TAKEN,
  400: REFUSED,
  401: TURNED_AWAY,
  403: TURNED_AWAY,
  404: TURNED_AWAY,
  413: TOO_LARGE,
  415: REFUSED,
  422: REFUSED,
};

/**
 * Posts a body, and gives up after {@link POST_TIMEOUT_MS}. Never throws.
 *
 * An answer of 200 that cannot be read may come from anybody on the way, a login page for example. The
 * records are sent again then, as after a network fault: the server stores a record once.
 *
 * @param {URL} endpoint
 * @param {string} body JSON
 * @param {{gzip: boolean, keepalive: boolean, signal: AbortSignal}} how
 * @returns {Promise<[outcome: number, retryAfterMs: number]>}
 */
export async function post(endpoint, body, { gzip, keepalive, signal }) {
  let retryAfterMs = 0;
  try {
    const response = await request(endpoint, POST_TIMEOUT_MS, signal, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(gzip && { "Content-Encoding": "gzip" }) },
      body: gzip ? await compress(body) : body,
      keepalive,
      // A login page that answers 200 after a redirect has taken nothing.
      redirect: "error",
    });
    retryAfterMs = milliseconds(response.headers.get("Retry-After"));
    let outcome = OUTCOMES[response.status];
    if (response.ok) outcome ??= (await response.json()).status === "disabled" ? DISABLED : TAKEN;
    if (outcome) return [outcome, retryAfterMs];
  } catch {
    // A network fault, an answer too late, or one that cannot be read.
  }
  return [FAILED, retryAfterMs];
}

/**
 * Fetches, and gives up when the signal says so or the time is over.
 *
 * @param {URL} url
 * @param {number} timeoutMs
 * @param {AbortSignal} signal
 * @param {RequestInit} options
 * @returns {Promise<Response>}
 * @throws what `fetch` throws
 */
export function request(url, timeoutMs, signal, options) {
  return fetch(url, { ...options, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
}

/**
 * @param {string} text
 * @returns {Promise<Blob>} whole: browsers take a stream as a body over HTTP/2 only
 */
function compress(text) {
  return new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
}

/**
 * @param {string | null} retryAfter seconds, or a date (RFC 9110, section 10.2.3)
 * @returns {number} milliseconds from now, {@link MAX_RETRY_AFTER_MS} at most; 0 where it says nothing
 */
function milliseconds(retryAfter) {
  const asked = Number(retryAfter) * 1000 || Date.parse(retryAfter ?? "") - Date.now() || 0;
  return Math.min(Math.max(0, asked), MAX_RETRY_AFTER_MS);
}
