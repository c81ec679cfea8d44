/**
 * Post a batch: what the response means for its records.
 *
 * @module
 */

import { fetchWithTimeout } from "./fetch-with-timeout.js";
import { parseRetryAfterMs } from "./pace.js";
import { POST_TIMEOUT_MS } from "./protocol.js";

/** The server says that it has the records: remove them. */
export const ACCEPTED = 1;
/**
 * 400, 415, 422: the server never accepts this batch. Send a smaller one, to find the record that is wrong. Remove and count
 * as dropped what is rejected then.
 */
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
 * Only an explicit success counts as one. Any other 2xx may come from an intermediary, such as a login page, or from a
 * server that has stored a part. It counts as FAILED, like a network error; sending again is safe because the server
 * stores each record once.
 *
 * @param {URL} endpoint
 * @param {string} body JSON
 * @param {number} records number of records in the body
 * @param {{gzip: boolean, keepalive: boolean, signal: AbortSignal}} options `gzip` compresses the body; `keepalive`
 *   lets the request outlive the worker; `signal` aborts it
 * @returns {Promise<[outcome: number, retryAfterMs: number]>} one of the outcomes above, and the `Retry-After` of the
 *   response in milliseconds, 0 without one
 */
export async function postBatch(endpoint, body, records, { gzip, keepalive, signal }) {
  let retryAfterMs = 0;
  try {
    const response = await fetchWithTimeout(endpoint, POST_TIMEOUT_MS, signal, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(gzip && { "Content-Encoding": "gzip" }) },
      body: gzip ? await compress(body) : body,
      keepalive,
    });
    retryAfterMs = parseRetryAfterMs(response);
    const outcome = response.ok ? interpretReply(await response.json(), records) : OUTCOMES[response.status];
    if (outcome) return [outcome, retryAfterMs];
  } catch {
    // A network error, a timeout, or an unreadable body.
  }
  return [FAILED, retryAfterMs];
}

/**
 * Interpret the body of a 2xx response.
 *
 * @param {any} reply JSON
 * @param {number} records number of records sent
 * @returns {number} ACCEPTED, DISABLED or FAILED
 */
function interpretReply({ status, accepted, duplicates, rejected, rejected_unlisted: unlisted }, records) {
  if (status === "disabled") return DISABLED;
  // A server need not tell what became of the records; where it does, the counts must cover all of them. Values that
  // are not numbers make a sum that does not. Servers count a record that they already had as accepted, or apart.
  const counts = [accepted, rejected?.length ?? rejected, unlisted, duplicates];
  const told = counts.filter((count) => count !== undefined);
  const sum = told.reduce((sum, count) => sum + count, 0);
  const isComplete = !told.length || sum === records || sum - duplicates === records;
  return status === "success" && isComplete ? ACCEPTED : FAILED;
}

/**
 * Compress with gzip.
 *
 * @param {string} text
 * @returns {Promise<Blob>} not a stream: browsers accept a stream as a body over HTTP/2 only
 */
function compress(text) {
  return new Response(new Response(text).body?.pipeThrough(new CompressionStream("gzip"))).blob();
}
