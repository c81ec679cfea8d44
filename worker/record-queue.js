/**
 * The queue of records: what waits, in which batches it leaves, and when it is tried again.
 *
 * @module
 */

import { backoffMs } from "./backoff.js";
import {
  MAX_BATCH_BYTES,
  MAX_BATCH_RECORDS,
  MAX_KEEPALIVE_BYTES,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_RECORDS,
  MAX_RECORD_BYTES,
} from "./protocol.js";
import { DISABLED, FAILED, postBatch, ACCEPTED, TOO_LARGE, FORBIDDEN } from "./post-batch.js";

/** @typedef {import("./outbox.js").Entry} Entry */

/**
 * What the queue asks of the session that it serves.
 *
 * @typedef {object} Owner
 * @property {import("./protocol.js").Losses} losses told with every batch; what is dropped here is counted there
 * @property {() => boolean} mayPost asked before every POST; false closes for good
 * @property {() => void} close called when nothing may be sent any more; has to abort `signal`
 * @property {AbortSignal} signal ends the POST in flight
 */

/**
 * Holds records in order, in memory and in the outbox, and posts them a batch at a time.
 *
 * @param {URL} endpoint where batches are posted to
 * @param {import("./outbox.js").Outbox} outbox
 * @param {Owner} owner
 */
export function createQueue(endpoint, outbox, { losses, mayPost, close, signal }) {
  /** By identity, oldest first: an event that a tab tells again is the same entry. @type {Map<string, Entry>} */
  let entries = new Map();
  let queuedBytes = 0;
  let batchBytes = MAX_BATCH_BYTES;
  let isFlushing = false;
  let failures = 0;
  let notBeforeMs = 0;

  /** @param {Entry} entry */
  const add = (entry) => {
    entries.set(entry.id, entry);
    queuedBytes += entry.bytes;
  };

  /** @param {Entry[]} removed */
  const removeEntries = (removed) => {
    if (removed.length) outbox.remove(removed);
    for (const { id, bytes } of removed) {
      if (entries.delete(id)) queuedBytes -= bytes;
    }
  };

  /** Drops the oldest records that are not just on their way. */
  const enforceBounds = () => {
    const excess = [];
    let bytes = queuedBytes;
    for (const entry of entries.values()) {
      if (entries.size - excess.length <= MAX_QUEUED_RECORDS && bytes <= MAX_QUEUED_BYTES) break;
      if (entry.inFlight) continue;
      excess.push(entry);
      bytes -= entry.bytes;
    }
    losses.dropped += excess.length;
    removeEntries(excess);
  };

  /**
   * @param {number} maxRecords
   * @param {number} maxBytes
   * @returns {Entry[]} the oldest entries, marked as in flight; at least one
   */
  const nextBatch = (maxRecords, maxBytes) => {
    const batch = [];
    for (const entry of entries.values()) {
      maxBytes -= entry.bytes;
      if (batch.length && (maxBytes < 0 || batch.length === maxRecords)) break;
      entry.inFlight = true;
      batch.push(entry);
    }
    return batch;
  };

  /**
   * @param {number} maxRecords
   * @param {boolean} isUnloading
   * @returns {Promise<number>} how many records are dealt with; Infinity where nothing may pollConfig now
   */
  const sendBatch = async (maxRecords, isUnloading) => {
    if (!mayPost()) close();
    if (signal.aborted) return Infinity;
    const batch = nextBatch(maxRecords, isUnloading ? MAX_KEEPALIVE_BYTES : batchBytes);
    const bytes = batch.reduce((sum, entry) => sum + entry.bytes, 0);
    const [outcome, retryAfterMs] = await postBatch(
      endpoint,
      `{"records":[${batch.map(({ text }) => text)}],${JSON.stringify(losses).slice(1)}`,
      // Compressing takes time that a tab which is going does not have.
      { gzip: queue.gzip && !isUnloading, keepalive: bytes <= MAX_KEEPALIVE_BYTES, signal },
    );
    for (const entry of batch) entry.inFlight = false;
    if (outcome === DISABLED) close();
    if (signal.aborted) return Infinity;
    if (outcome === FORBIDDEN) return (notBeforeMs = Infinity);
    if (outcome === FAILED) {
      notBeforeMs = performance.now() + Math.max(retryAfterMs, backoffMs(++failures));
      return Infinity;
    }
    failures = 0;
    if (outcome === TOO_LARGE && batch.length > 1) {
      batchBytes = bytes / 2;
      return 0;
    }
    if (outcome !== ACCEPTED) losses.dropped += batch.length;
    removeEntries(batch);
    return batch.length;
  };

  const queue = {
    /** Whether anything may leave now. */
    isActive: false,

    /** Whether the server takes compressed bodies. */
    gzip: false,

    /**
     * Adds one record behind those that wait.
     *
     * @param {string} id the identity of its event
     * @param {string} text its JSON
     * @returns {Promise<void>} settles when it is durable
     * @throws {Error} for one of more than {@link MAX_RECORD_BYTES}
     */
    async push(id, text) {
      const bytes = new TextEncoder().encode(text).length;
      if (bytes > MAX_RECORD_BYTES) throw new Error(`${bytes} bytes`);
      if (entries.has(id)) return;
      const entry = /** @type {Entry} */ ({ id, text, bytes });
      const saved = outbox.put(entry);
      add(entry);
      enforceBounds();
      await saved;
    },

    /** Takes excess what workers before this one orphans in the outbox, and what others will leave. Once. */
    recoverOrphans() {
      queue.recoverOrphans = () => {};
      outbox.recoverOrphans((orphans) => {
        if (signal.aborted) return;
        for (const entry of orphans) {
          // A tab whose worker ended before it could answer has told the event again.
          if (entries.has(entry.id)) outbox.remove([entry]);
          else add(entry);
        }
        entries = new Map([...entries].sort(([, one], [, other]) => indexedDB.cmp(one.key, other.key)));
        enforceBounds();
      });
    },

    /** Puts all that waits on disk once more, in its order. */
    rewriteAll() {
      entries.forEach(outbox.put);
    },

    /** Drops all that waits, here and on disk. */
    clear() {
      entries.clear();
      queuedBytes = 0;
      outbox.clear();
    },

    /** Tries again without waiting for the pause after a failure to end. */
    retryNow() {
      if (notBeforeMs < Infinity) notBeforeMs = 0;
      queue.flush();
    },

    /**
     * Posts what waits, one batch after the other, unless a flush is under way or the server asked for a pause.
     *
     * @param {boolean} [isUnloading] all tabs are going: only what may outlive them is worth a start
     */
    async flush(isUnloading = false) {
      if (isFlushing || !queue.isActive || performance.now() < notBeforeMs) return;
      isFlushing = true;
      // What comes meanwhile waits for the next flush.
      let remaining = entries.size;
      while (remaining > 0) remaining -= await sendBatch(Math.min(remaining, MAX_BATCH_RECORDS), isUnloading);
      isFlushing = false;
    },
  };
  return queue;
}
