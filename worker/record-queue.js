/**
 * The queue of records: its bounds, its batches, and the retries.
 *
 * @module
 */

import { createPace } from "./pace.js";
import { ACCEPTED, DISABLED, FAILED, FORBIDDEN, postBatch, REJECTED, TOO_LARGE } from "./post-batch.js";
import { MAX_KEEPALIVE_BYTES, MIN_BACKOFF_MS, MIN_PAUSE_MS } from "./protocol.js";

/** @typedef {import("./outbox.js").Entry} Entry */

/**
 * What the queue needs from its session.
 *
 * @typedef {object} QueueContext
 * @property {import("./protocol.js").Losses} losses posted with every batch; the queue counts dropped records here
 * @property {() => boolean} mayPost called before every POST; false drops what is queued
 * @property {() => void} onDisabled called when a response disables telemetry; must end the session
 * @property {AbortSignal} signal aborts the POST in flight
 */

/**
 * Create a queue: it holds records in order, in memory and in the outbox, and posts one batch at a time.
 *
 * @param {import("./options.js").ResolvedOptions} options
 * @param {import("./outbox.js").Outbox} outbox
 * @param {QueueContext} context
 */
export function createQueue(options, outbox, { losses, mayPost, onDisabled, signal }) {
  /**
   * By the event's identity, oldest first. An event that a tab sends again is already here.
   *
   * @type {Map<string, Entry>}
   */
  let entries = new Map();
  let queuedBytes = 0;
  // Halved by every 413.
  let batchBytes = options.maxBatchBytes;
  // Halved by every 400 until the server accepts a batch, so that one bad record costs no others.
  let batchRecords = Infinity;
  // Number of batches dropped because of a 400 since the server has accepted one.
  let rejections = 0;
  // Number of records that the current flush has still to post. A flush is a sequence of batches with pauses.
  let remaining = 0;
  let isUnloading = false;

  /** @param {Entry} entry */
  const add = (entry) => {
    entries.set(entry.id, entry);
    queuedBytes += entry.bytes;
  };

  /**
   * Remove entries from memory and from the outbox.
   *
   * @param {Entry[]} removed
   */
  const removeEntries = (removed) => {
    outbox.remove(removed);
    removed.forEach(({ id, bytes }) => {
      if (entries.delete(id)) queuedBytes -= bytes;
    });
  };

  /** Drop the oldest records beyond the bounds, except those in flight. */
  const enforceBounds = () => {
    for (const entry of entries.values()) {
      if (entries.size <= options.maxQueuedRecords && queuedBytes <= options.maxQueuedBytes) break;
      if (entry.inFlight) continue;
      losses.dropped++;
      removeEntries([entry]);
    }
  };

  /**
   * Return the oldest entries, at least one, and mark them as in flight.
   *
   * @param {number} maxRecords
   * @param {number} maxBytes a single larger record is still a batch
   * @returns {Entry[]}
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

  /** Post one batch if the flush has records left and the pace allows it, and apply the outcome. */
  const sendBatch = async () => {
    remaining = Math.min(remaining, entries.size);
    if (!queue.isActive || remaining <= 0 || !pace.begin()) return;
    if (!mayPost()) {
      queue.clear();
      return pace.end(MIN_PAUSE_MS);
    }
    const batch = nextBatch(
      Math.min(remaining, batchRecords, options.maxBatchRecords),
      isUnloading ? Math.min(MAX_KEEPALIVE_BYTES, batchBytes) : batchBytes,
    );
    const bytes = batch.reduce((sum, entry) => sum + entry.bytes, 0);
    const [outcome, retryAfterMs] = await postBatch(
      options.endpoint,
      `{"records":[${batch.map(({ text }) => text)}],${JSON.stringify(losses).slice(1)}`,
      batch.length,
      // Compression takes time, and the tabs may close at any moment.
      { gzip: queue.gzip && !isUnloading, keepalive: bytes <= MAX_KEEPALIVE_BYTES, signal },
    );
    for (const entry of batch) entry.inFlight = false;
    if (outcome === DISABLED) onDisabled();
    if (signal.aborted) return;
    if (outcome === FORBIDDEN) {
      // What is queued is for the next worker. The pace lets no request leave any more.
      queue.hasRecords = () => false;
      return;
    }
    if (outcome === TOO_LARGE && batch.length > 1) {
      batchBytes = bytes / 2;
      return pace.end(Math.max(MIN_BACKOFF_MS, retryAfterMs));
    }
    if (outcome === REJECTED && batch.length > 1 && !rejections) batchRecords = batch.length >> 1;
    else if (outcome !== FAILED) {
      if (outcome !== ACCEPTED) losses.dropped += batch.length;
      // Four batches of one record, then four of two, and so on: a server that rejects everything gets few requests.
      batchRecords = outcome === ACCEPTED ? Infinity : 2 ** (rejections++ >> 2);
      removeEntries(batch);
      remaining -= batch.length;
    }
    if (outcome === ACCEPTED) {
      rejections = 0;
      return pace.end(MIN_PAUSE_MS);
    }
    // What waits at the end of the backoff leaves together.
    remaining = Infinity;
    pace.fail(retryAfterMs);
  };
  const pace = createPace(sendBatch);

  const queue = {
    /** Whether the configuration enables telemetry; false until it is read. */
    isActive: false,

    /** Whether the server accepts bodies compressed with gzip. */
    gzip: false,

    /**
     * Append one record. A record that is already queued is ignored.
     *
     * @param {string} id identity of the event, `tab_id/seq`
     * @param {string} text JSON of the record
     * @returns {Promise<boolean | undefined>} settles after the attempt to write: false when it is not on disk
     * @throws {Error} when the record is larger than `maxRecordBytes`
     */
    async push(id, text) {
      const bytes = new TextEncoder().encode(text).length;
      if (bytes > options.maxRecordBytes) throw new Error(`${bytes} bytes`);
      const known = entries.get(id);
      if (known) return known.saved;
      const entry = /** @type {Entry} */ ({ id, text, bytes });
      outbox.put(entry);
      add(entry);
      enforceBounds();
      return entry.saved;
    },

    /** Queue the records that ended sessions left in the outbox. Only the first call has an effect. */
    recoverOrphans() {
      queue.recoverOrphans = () => {};
      outbox.recoverOrphans((orphans) => {
        // Telemetry has been disabled meanwhile.
        if (!queue.isActive) return;
        for (const entry of orphans) {
          // The worker ended before its acknowledgement, so the tab sent the event again.
          if (entries.has(entry.id)) outbox.remove([entry]);
          else add(entry);
        }
        entries = new Map([...entries].sort(([, one], [, other]) => indexedDB.cmp(one.key, other.key)));
        enforceBounds();
      });
    },

    /** Write all queued records to the outbox again, in order. */
    rewriteAll() {
      entries.forEach(outbox.put);
    },

    /**
     * Drop all records, in memory and on disk.
     *
     * @param {number} [timeMs] those of other sessions only if they began before, see the outbox
     */
    clear(timeMs) {
      // Whatever the clock says: it may have been set back since this session began.
      removeEntries([...entries.values()]);
      outbox.clear(timeMs);
    },

    /** Shorten a backoff, because the browser is online again. */
    hurry: pace.hurry,

    /** Whether records are queued. */
    hasRecords: () => entries.size > 0,

    /**
     * Post the queued records in sequential batches. During a request or a pause nothing is sent before its end.
     *
     * @param {boolean} [isHidden] no tab is visible, so all may close at any moment: post batches that fit into a
     *   `keepalive` request, uncompressed
     */
    flush(isHidden = false) {
      // Records that arrive during this flush wait for the next one.
      if (remaining <= 0 || isHidden) remaining = entries.size;
      isUnloading = isHidden;
      return sendBatch();
    },
  };
  return queue;
}
