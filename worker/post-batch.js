/**
 * Post a batch: what the response means for its records.
 *
 * @module
 */

import { fetchWithTimeout } from "./fetch-with-timeout.js";
import { MAX_RETRY_AFTER_MS, POST_TIMEOUT_MS } from "./protocol.js";

/** The server has the records: remove them. */
export const ACCEPTED = 1;
/** 400, 415, 422: the server never accepts this batch. Remove its records and count them as dropped. */
export const REJECTED = 2;
/** 413: the body is too large. Send a smaller batch. */
export const TOO_LARGE = 3;
/** Retry the same batch later. */
export const FAILED = 4;
/** 401, 403, 404: stop sending; keep the records for the next worker. */
export const FORBIDDEN = 5;
/** Telemetry is disabled: drop everything. */
export const DISABLED = 6;

/** @type {{[status: number]: number}} */
const OUTCOMES = {
  204: ACCEPTED,
  400: REJECTED,
  401: FORBIDDEN,
  403: FORBIDDEN,
  404: FORBIDDEN,
  413: TOO_LARGE,
  415: REJECTED,
  422: REJECTED,
};

/**
 * Post a body, with a timeout of {@link POST_TIMEOUT_MS}. Never throws.
 *
 * A 200 without a readable body may come from an intermediary, such as a login page. It counts as FAILED, like a
 * network error; sending again is safe because the server stores each record once.
 *
 * @param {URL} endpoint
 * @param {string} body JSON
 * @param {{gzip: boolean, keepalive: boolean, signal: AbortSignal}} options `gzip` compresses the body; `keepalive`
 *   lets the request outlive the worker; `signal` aborts it
 * @returns {Promise<[outcome: number, retryAfterMs: number]>} one of the outcomes above, and the `Retry-After` of the
 *   response in milliseconds, 0 without one
 */
export async function postBatch(endpoint, body, { gzip, keepalive, signal }) {
  let retryAfterMs = 0;
  try {
    const response = await fetchWithTimeout(endpoint, POST_TIMEOUT_MS, signal, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(gzip && { "Content-Encoding": "gzip" }) },
      body: gzip ? await compress(body) : body,
      keepalive,
      // A login page that responds with 200 after a redirect has not stored the batch.
      redirect: "error",
    });
    retryAfterMs = parseRetryAfterMs(response.headers.get("Retry-After"));
    let outcome = OUTCOMES[response.status];
    if (response.ok) outcome ??= (await response.json()).status === "disabled" ? DISABLED : ACCEPTED;
    if (outcome) return [outcome, retryAfterMs];
  } catch {
    // A network error, a timeout, or an unreadable body.
  }
  return [FAILED, retryAfterMs];
}

/**
 * Compress with gzip.
 *
 * @param {string} text
 * @returns {Promise<Blob>} not a stream: browsers accept a stream as a body over HTTP/2 only
 */
function compress(text) {
  return new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
}

/**
 * Parse a `Retry-After` header (RFC 9110, section 10.2.3).
 *
 * @param {string | null} retryAfter seconds, or an HTTP date
 * @returns {number} milliseconds from now, at most {@link MAX_RETRY_AFTER_MS}; 0 when missing or invalid
 */
function parseRetryAfterMs(retryAfter) {
  const requestedMs = Number(retryAfter) * 1000 || Date.parse(retryAfter ?? "") - Date.now() || 0;
  return Math.min(Math.max(0, requestedMs), MAX_RETRY_AFTER_MS);
}
