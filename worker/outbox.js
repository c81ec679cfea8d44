/**
 * The outbox: records on disk, which survive the worker, the tab and the browser.
 *
 * @module
 */

import { OUTBOX_NAME_PREFIX } from "./protocol.js";
import { createUuid } from "./uuid.js";

const STORE = "records";

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
 */

/** @typedef {ReturnType<typeof createOutbox>} Outbox */

/**
 * Create a session's outbox: its part of the database that all workers of an endpoint share.
 *
 * The session holds a Web Lock until its worker terminates. Another session may recover its records only when that
 * lock is free. Plain HTTP has no locks: there a new session recovers the records of all others at once, and a
 * server that knows records by their identity still stores none twice.
 *
 * Nothing here throws: where the browser blocks storage, records are kept in memory only.
 *
 * @param {URL} endpoint the telemetry endpoint
 * @param {() => void} onDeleted called after another context deleted the database: the caller must put its records
 *   again
 */
export function createOutbox(endpoint, onDeleted) {
  const name = OUTBOX_NAME_PREFIX + endpoint;
  // Sorts by age, so that recovered records are sent in the order of their sessions.
  const owner = `${Date.now()}-${createUuid()}`;
  const getLockName = (/** @type {string} */ owner) => `${name} ${owner}`;
  let nextPosition = 0;
  let isUnavailable = false;
  /** @type {((store: IDBObjectStore) => void)[]} */
  let pendingChanges = [];
  /** Commit of the pending changes. @type {Promise<void> | undefined} */
  let nextCommit;

  /** Warn once. @returns {undefined} */
  const reportUnavailable = (/** @type {unknown} */ error) => {
    if (!isUnavailable) console.warn("telemetry: kept in memory only", error);
    isUnavailable = true;
  };
  /** @type {Promise<IDBDatabase | undefined>} */
  let opening;
  const connect = () => {
    opening = openDatabase(name, () => {
      connect();
      onDeleted();
    }).catch(reportUnavailable);
  };
  connect();
  /** @type {Promise<unknown>} */
  let lastCommit = Promise.resolve();

  /**
   * Run one transaction.
   *
   * @template Value
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest<Value> | void} operation
   * @returns {Promise<Value | undefined>} result of the request, when the transaction is complete; undefined where
   *   storage is not available
   */
  const transact = async (mode, operation) => {
    try {
      const database = await opening;
      if (!database) return undefined;
      // The default durability is "relaxed": data survives a crash of the browser, but not a loss of power.
      const transaction = database.transaction(STORE, mode);
      const request = operation(transaction.objectStore(STORE));
      // Without it the transaction commits only after the results of all its requests are delivered.
      transaction.commit();
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      return request?.result;
    } catch (error) {
      return reportUnavailable(error);
    }
  };

  /** Write the pending changes. @returns {Promise<void>} */
  const commit = () => transact("readwrite", (store) => pendingChanges.splice(0).forEach((change) => change(store)));

  /**
   * Add a change to the next transaction. One transaction runs at a time and the next contains all changes that
   * arrive meanwhile, so that many events need few transactions.
   *
   * @param {(store: IDBObjectStore) => void} change
   * @returns {Promise<void>} settles when the change is durable, or has failed
   */
  const scheduleChange = (change) => {
    pendingChanges.push(change);
    lastCommit = nextCommit ??= lastCommit.then(() => {
      nextCommit = undefined;
      return commit();
    });
    return nextCommit;
  };

  return {
    /** Name of the Web Lock that this session holds until its worker terminates. */
    lock: getLockName(owner),

    /** Settles when the lock is held, or the browser has no locks. */
    lockHeld: acquireLock(getLockName(owner)),

    /**
     * Append a record and set its key.
     *
     * @param {Entry} entry its previous key, if any, is replaced
     * @returns {Promise<void>} settles when the record is durable, or the write has failed
     */
    put(entry) {
      entry.key = [owner, nextPosition++];
      return scheduleChange((store) => store.put(entry));
    },

    /**
     * Remove records. Deletes one key range per owner, which takes a tenth of the time of one key per record.
     *
     * @param {Entry[]} entries for each owner, a contiguous run: everything from the first to the last is deleted
     */
    remove(entries) {
      /** @type {Map<string, IDBValidKey[]>} */
      const ranges = new Map();
      for (const { key } of entries) ranges.set(key[0], [ranges.get(key[0])?.[0] ?? key, key]);
      scheduleChange((store) => ranges.forEach(([first, last]) => store.delete(IDBKeyRange.bound(first, last))));
    },

    /** Delete the records of all sessions, and discard the pending changes. */
    clear() {
      pendingChanges = [(store) => store.clear()];
      commit();
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
      const read = async (range) => (await transact("readonly", (store) => store.getAll(range))) ?? [];
      const others = [...new Set((await read()).map(({ key }) => key[0]))].filter((other) => other !== owner);
      others.forEach(async (other, index) => {
        const isYoungest = index === others.length - 1;
        if (await acquireLock(getLockName(other), !isYoungest)) {
          onRecovered(await read(IDBKeyRange.bound([other], [other, []])));
        }
      });
    },
  };
}

/**
 * Open the database, and create it where it does not exist.
 *
 * @param {string} name
 * @param {() => void} onDeleted called when a tab deletes the database. A tab does so when consent is withdrawn,
 *   because no worker may be running to do it; the deletion may arrive late, after consent was given again
 * @returns {Promise<IDBDatabase>}
 */
function openDatabase(name, onDeleted) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const database = request.result;
      database.onversionchange = () => {
        database.close();
        onDeleted();
      };
      resolve(database);
    };
  });
}

/**
 * Acquire a Web Lock and hold it until this worker terminates. Where the browser has no locks, succeed at once.
 *
 * @param {string} name
 * @param {boolean} [ifAvailable] fail when the lock is taken, instead of waiting for it
 * @returns {Promise<unknown>} truthy when the lock is held
 */
function acquireLock(name, ifAvailable = false) {
  return new Promise((resolve) => {
    const onGranted = (/** @type {unknown} */ lock) => {
      resolve(lock);
      return lock && new Promise(() => {});
    };
    if (navigator.locks) navigator.locks.request(name, { ifAvailable }, onGranted).catch(resolve);
    else resolve(name);
  });
}
