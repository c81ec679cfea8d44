/**
 * The outbox: records on disk, which survive the worker, the tab and the browser.
 *
 * @module
 */

import { ENABLED_KEY, OUTBOX_NAME_PREFIX, OUTBOX_RETRY_MS, OUTBOX_TIMEOUT_MS } from "./protocol.js";
import { createUuid } from "./uuid.js";
import { holdLock } from "./web-lock.js";

const RECORDS = "records";
const CONFIG = "config";
/** The stores that this build needs. */
const STORES = [RECORDS, CONFIG];

/**
 * A record in the queue and on disk.
 *
 * @typedef {object} Entry
 * @property {string} id identity of the event, `tab_id/seq`
 * @property {string} text JSON of a {@link import("./protocol.js").Record}. Serialized early, so that an event that
 *   is not serializable fails alone and never blocks a batch
 * @property {number} bytes size of `text` in UTF-8
 * @property {[owner: string, position: number]} key the session's outbox, and the position of the record in it
 * @property {boolean} [inFlight] whether a POST with this record is under way
 * @property {Promise<boolean>} [saved] the last attempt to write the record, see `put`
 */

/**
 * A configuration that a session has read.
 *
 * @typedef {{config: import("./protocol.js").Config, readAtMs: number}} RememberedConfig
 */

/** @typedef {ReturnType<typeof createOutbox>} Outbox */

/**
 * Create a session's outbox: its part of the database that all workers of an endpoint share, in all builds.
 *
 * The session holds a Web Lock until it is closed or its worker terminates. Another session may recover its records
 * only when that lock is free. Plain HTTP has no locks: there a new session recovers the records of all others at
 * once, and a server that knows records by their identity still stores none twice.
 *
 * Nothing here throws. While the browser does not write, for want of space or because the user deletes the data of
 * the site, the records are in memory only: `put` says so, and the outbox tries again.
 *
 * @param {import("./options.js").ResolvedOptions} options
 * @param {() => void} rewriteAll called when records may be missing on disk: the caller must put all its records
 *   again
 */
export function createOutbox(options, rewriteAll) {
  const name = getName(options);
  // Sorts by age, so that recovered records are sent in the order of their sessions.
  const owner = `${Date.now()}-${createUuid()}`;
  const getLockName = (/** @type {string} */ owner) => `${name} ${owner}`;
  // Aborted when the session is over. Releases all its locks.
  const closing = new AbortController();
  const { signal } = closing;
  let nextPosition = 0;
  let isClosed = false;
  let hasWarned = false;
  /** Timer of the next attempt after a failure; 0 without one. */
  let retry = 0;
  /** Records to write. @type {Set<Entry>} */
  const puts = new Set();
  /** Key ranges to delete, before the records are written. @type {IDBKeyRange[]} */
  let deletions = [];
  /** Commit of the pending changes. @type {Promise<boolean> | undefined} */
  let nextCommit;
  /** @type {Promise<unknown>} */
  let lastCommit = Promise.resolve();
  /** @type {Promise<IDBDatabase> | undefined} */
  let opening;
  /**
   * Whether a request to open the database waits until another build closes its connection. Each later request would
   * wait behind it.
   */
  let isBlocked = false;

  /**
   * Open the database with all stores that this build needs. Other builds share it, older and newer ones: open it in
   * whatever version it has, create what is missing, and change or delete nothing.
   *
   * @param {number} [version]
   * @returns {Promise<IDBDatabase>}
   */
  const openDatabase = (version) =>
    new Promise((resolve, reject) => {
      const request = indexedDB.open(name, version);
      const getMissing = () => STORES.filter((store) => !request.result.objectStoreNames.contains(store));
      request.onupgradeneeded = () =>
        getMissing().forEach((store) => request.result.createObjectStore(store, { keyPath: "key" }));
      request.onerror = () => {
        isBlocked = false;
        reject(request.error);
      };
      // Another build keeps its connection open, and does not let this one add a store. Onsuccess follows when it does.
      request.onblocked = () => {
        isBlocked = true;
        reject(new Error("blocked"));
      };
      request.onsuccess = () => {
        isBlocked = false;
        const database = request.result;
        // Another build adds a store, the user deletes the data of the site, or a tab deletes the database: when consent
        // is withdrawn, as no worker may be running to do it. That may arrive late, after consent was given again.
        database.onclose = database.onversionchange = () => {
          database.close();
          opening = undefined;
          rewriteAll();
        };
        if (!getMissing().length) return resolve(database);
        database.close();
        resolve(openDatabase(database.version + 1));
      };
    });

  /**
   * Run one transaction.
   *
   * @template Value
   * @param {string} storeName
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest<Value> | void} operation
   * @returns {Promise<Value | undefined>} result of the request, when the transaction is complete
   * @throws when the browser does not open the database or does not commit
   */
  const transact = async (storeName, mode, operation) => {
    if (isBlocked) throw new Error("blocked");
    opening ??= openDatabase();
    const connection = opening;
    let isUsable = false;
    let timeout = 0;
    try {
      // The default durability is "relaxed": data survives a crash of the browser, but not a loss of power.
      const transaction = (await connection).transaction(storeName, mode);
      const request = operation(transaction.objectStore(storeName));
      // Without it the transaction commits only after the results of all its requests are delivered.
      transaction.commit();
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
        // Chromium may never end one in which somebody clears the data of the site.
        timeout = setTimeout(reject, OUTBOX_TIMEOUT_MS, new Error("timeout"));
      });
      isUsable = !isClosed;
      return request?.result;
    } finally {
      clearTimeout(timeout);
      if (!isUsable) {
        if (opening === connection) opening = undefined;
        connection.then((database) => database.close()).catch(() => {});
      }
    }
  };

  /** Write the pending changes. @returns {Promise<boolean>} whether they are on disk */
  const commit = async () => {
    nextCommit = undefined;
    /** @type {IDBKeyRange[]} */
    let deleted = [];
    try {
      await transact(RECORDS, "readwrite", (store) => {
        deleted = deletions;
        deletions = [];
        deleted.forEach((range) => store.delete(range));
        puts.forEach(({ id, text, bytes, key }) => store.put({ id, text, bytes, key }));
        puts.clear();
      });
      return true;
    } catch (error) {
      deletions.unshift(...deleted);
      if (!hasWarned) console.warn("telemetry: kept in memory only", error);
      hasWarned = true;
      retry ||= setTimeout(() => {
        retry = 0;
        rewriteAll();
        scheduleCommit();
      }, OUTBOX_RETRY_MS);
      return false;
    }
  };

  /**
   * Add the pending changes to the next transaction. One transaction runs at a time and the next contains all changes
   * that arrive meanwhile, so that many events need few transactions.
   *
   * @returns {Promise<boolean>} settles after the transaction: whether the changes are on disk
   */
  const scheduleCommit = () => {
    lastCommit = nextCommit ??= lastCommit.then(commit);
    return /** @type {Promise<boolean>} */ (lastCommit);
  };

  return {
    /** Name of the Web Lock that this session holds until it is closed or its worker terminates. */
    lock: getLockName(owner),

    /** Settles when the lock is held, or the browser has no locks. */
    lockHeld: holdLock(getLockName(owner), signal),

    /**
     * Append a record and set its key; a record that has a key keeps its place.
     *
     * @param {Entry} entry
     * @returns {Promise<boolean>} settles after the first attempt: whether the record is on disk. An attempt that
     *   fails is repeated
     */
    put(entry) {
      entry.key ??= [owner, nextPosition++];
      puts.add(entry);
      return (entry.saved = scheduleCommit());
    },

    /**
     * Remove records. Deletes one key range per owner, which takes a tenth of the time of one key per record.
     *
     * @param {Entry[]} entries for each owner, a contiguous run: everything from the first to the last is deleted
     */
    remove(entries) {
      /** @type {Map<string, IDBValidKey[]>} */
      const ranges = new Map();
      for (const entry of entries) {
        const { key } = entry;
        puts.delete(entry);
        ranges.set(key[0], [ranges.get(key[0])?.[0] ?? key, key]);
      }
      ranges.forEach(([first, last]) => deletions.push(IDBKeyRange.bound(first, last)));
      scheduleCommit();
    },

    /**
     * Remove, at once, the records of all sessions that began before `timeMs`. It may come late or be repeated: what later
     * sessions have confirmed stays.
     *
     * @param {number} [timeMs] as of `Date.now()`; default: when this session began
     */
    clear(timeMs = NaN) {
      const last = timeMs <= Date.now() ? `${timeMs}` : owner;
      // Every key is an array, and the empty one is the first.
      deletions.push(IDBKeyRange.bound([], [last, []]));
      lastCommit = Promise.all([lastCommit, commit()]);
    },

    /**
     * Release the locks and the database after the pending changes: the session is over. If they fail, only deletions are
     * repeated: nobody would tell this session of an opt-out that has come meanwhile.
     */
    close() {
      isClosed = true;
      rewriteAll = () => puts.clear();
      scheduleCommit().then(() => closing.abort());
    },

    /**
     * Read the configuration that a session of this browser has written last.
     *
     * @returns {Promise<RememberedConfig | undefined>} undefined when there is none, or it cannot be read
     */
    readConfig: () => transact(CONFIG, "readonly", (store) => store.get(CONFIG)).catch(() => undefined),

    /**
     * Remember a configuration for this session and later ones. A failure has no effect.
     *
     * @param {import("./protocol.js").Config} config
     */
    writeConfig(config) {
      const remembered = { key: CONFIG, config, readAtMs: Date.now() };
      transact(CONFIG, "readwrite", (store) => store.put(remembered)).catch(() => {});
    },

    /**
     * Recover the records of sessions that have ended. The most recent session may be about to end, so this waits
     * for its lock; the other running sessions are left to later workers.
     *
     * @param {(orphans: Entry[]) => void} onRecovered called once per session with its records, in order
     */
    async recoverOrphans(onRecovered) {
      /**
       * @param {IDBKeyRange} [range]
       * @returns {Promise<Entry[]>}
       */
      const read = async (range) =>
        ((await transact(RECORDS, "readonly", (store) => store.getAll(range)).catch(() => undefined)) ?? []).filter(isEntry);
      const others = [...new Set((await read()).map(({ key }) => key[0]))].filter((other) => other !== owner);
      others.forEach(async (other, index) => {
        const isYoungest = index === others.length - 1;
        if (await holdLock(getLockName(other), signal, !isYoungest)) {
          onRecovered(await read(IDBKeyRange.bound([other], [other, []])));
        }
      });
    },
  };
}

/**
 * Return whether this build has written a record. One of another shape stays for the build that has.
 *
 * @param {any} record
 */
const isEntry = ({ id, text, bytes, key }) =>
  [id, text, key[0]].every((value) => typeof value === "string") && Number.isFinite(bytes);

/**
 * Return the name of the database. A URL has no spaces: what follows one tells apps with a consent of their own apart.
 *
 * @param {import("./options.js").ResolvedOptions} options
 */
const getName = ({ endpoint, consentKey }) =>
  OUTBOX_NAME_PREFIX + endpoint + (consentKey === ENABLED_KEY ? "" : ` ${consentKey}`);

/**
 * Delete the outboxes of all endpoints for which the same consent counts. An outbox whose worker does not run has
 * nobody else who could do it, and a later consent must not send what was logged before the opt-out.
 *
 * @param {import("./options.js").ResolvedOptions} options
 */
export async function deleteOutboxes(options) {
  const own = getName(options);
  const withoutEndpoint = (/** @type {string} */ name) => name.replace(/ \S+/, "");
  try {
    // First, and at once: the page may be about to close.
    indexedDB.deleteDatabase(own);
    for (const { name = "" } of await indexedDB.databases()) {
      if (withoutEndpoint(name) === withoutEndpoint(own)) indexedDB.deleteDatabase(name);
    }
  } catch {
    // The browser blocks storage, so there is nothing to delete.
  }
}
