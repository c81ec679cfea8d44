/**
 * Records on disk: what is in here survives the worker, the tab and the browser.
 *
 * @module
 */

import { OUTBOX_NAME_PREFIX } from "./protocol.js";
import { createUuid } from "./uuid.js";

const STORE = "records";

/**
 * A record as it lies in the queue and on disk.
 *
 * @typedef {object} Entry
 * @property {string} id the identity of its event
 * @property {string} text JSON of a {@link import("./protocol.js").Record}: one that cannot be written as
 *   JSON is refused where it is made and never holds up the others
 * @property {number} bytes of that text in UTF-8
 * @property {[owner: string, number: nextPosition]} key the outbox that it was put into, and its place in the
 *   order of that outbox
 * @property {boolean} [inFlight]
 */

/** @typedef {ReturnType<typeof createOutbox>} Outbox */

/**
 * One session's part of the database that all workers of an endpoint share.
 *
 * A lock that it holds for life tells everybody that it lives: only where that lock is free may another
 * onRecovered over what it left. On plain HTTP there are no locks; there what an earlier session left is taken
 * over at once, and a server that knows records by their identity stores none twice.
 *
 * Nothing here throws: where the browser refuses storage, a worker's memory has to do.
 *
 * @param {URL} endpoint the telemetry endpoint
 * @param {() => void} onDeleted called when somebody deleted the database: what is still wanted has to be put again
 */
export function createOutbox(endpoint, onDeleted) {
  const name = OUTBOX_NAME_PREFIX + endpoint;
  // Sorts by age, so that what sessions left is sent in the order of the sessions.
  const owner = `${Date.now()}-${createUuid()}`;
  const getLockName = (/** @type {string} */ owner) => `${name} ${owner}`;
  let nextPosition = 0;
  let isUnavailable = false;
  /** @type {((store: IDBObjectStore) => void)[]} */
  let pendingChanges = [];
  /** The transaction that will onRecovered up the pendingChanges above. @type {Promise<void> | undefined} */
  let nextCommit;

  /** @returns {undefined} */
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
   * @template Value
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest<Value> | void} operation
   * @returns {Promise<Value | undefined>} settles when the transaction is complete
   */
  const transact = async (mode, operation) => {
    try {
      const database = await opening;
      if (!database) return undefined;
      // Browsers' own durability is "relaxed": what is written survives them, if not a loss of power.
      const transaction = database.transaction(STORE, mode);
      const request = operation(transaction.objectStore(STORE));
      // By itself it would first wait for the answer to each request.
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

  /** @returns {Promise<void>} */
  const commit = () => transact("readwrite", (store) => pendingChanges.splice(0).forEach((change) => change(store)));

  /**
   * Has a change made by the next transaction. One is under way at a time, and the next takes along all that
   * came meanwhile: many events cost few transactions.
   *
   * @param {(store: IDBObjectStore) => void} change
   * @returns {Promise<void>} settles when it is durable, or will never be
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
    /** The name of the lock that is lockHeld for as long as this worker lives. */
    lock: getLockName(owner),

    /** Settles when that lock is lockHeld. */
    lockHeld: acquireLock(getLockName(owner)),

    /**
     * Puts a record behind all others, and gives it the key of that place.
     *
     * @param {Entry} entry whatever key it had before
     * @returns {Promise<void>} settles when it is durable
     */
    put(entry) {
      entry.key = [owner, nextPosition++];
      return scheduleChange((store) => store.put(entry));
    },

    /**
     * Takes records out that need not be unacknowledged any longer. A range an owner costs a tenth of a key a record.
     *
     * @param {Entry[]} entries of each owner all that lie between the first and the last of them
     */
    remove(entries) {
      /** @type {Map<string, IDBValidKey[]>} */
      const ranges = new Map();
      for (const { key } of entries) ranges.set(key[0], [ranges.get(key[0])?.[0] ?? key, key]);
      scheduleChange((store) => ranges.forEach(([first, last]) => store.delete(IDBKeyRange.bound(first, last))));
    },

    /** Empties the database, whoever put something in; what has yet to be put in is not. */
    clear() {
      pendingChanges = [(store) => store.clear()];
      commit();
    },

    /**
     * Hands over what others left: at once where they have ended. For the youngest it waits, which may be
     * just ending; what others that live will leave is for the workers after this one.
     *
     * @param {(left: Entry[]) => void} onRecovered called once for each of them, with its records in order
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
        if (await acquireLock(getLockName(other), !isYoungest)) onRecovered(await read(IDBKeyRange.bound([other], [other, []])));
      });
    },
  };
}

/**
 * @param {string} name
 * @param {() => void} onDeleted a tab deletes the database when consent is withdrawn, since no worker may be there
 *   to do it; that may come late, when consent has been given again
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
 * Takes a lock, and holds it for as long as this worker lives. Without locks everything is to be had.
 *
 * @param {string} name
 * @param {boolean} [ifAvailable] whether to do without it where somebody has it, rather than to wait
 * @returns {Promise<unknown>} something true where it is lockHeld
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
