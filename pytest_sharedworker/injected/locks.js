// Web Locks: time waits for a request of the worker until the lock is granted, or until the request is seen
// to stand in line behind a holder that may never release it. A lock that the worker holds is not waited for.
const locks = (() => {
  const manager = navigator.locks;
  if (!manager) {
    return { recheck: () => false };
  }
  // When a tab or worker has gone, the browser may take a moment, of real time, to release its locks.
  const PATIENCE_MS = 500;
  const { query } = LockManager.prototype;
  const request = /** @type {Function} */ (LockManager.prototype.request);

  /**
   * @typedef {object} PendingLock
   * @property {string} name
   * @property {WorkItem} item
   * @property {boolean} queues whether it stands in line where the lock is not free
   */
  /** The requests that were not granted yet, in the order in which they were made. @type {Set<PendingLock>} */
  const pendingLocks = new Set();
  let isChecking = false;
  let patientUntilMs = 0;
  /** @type {string | undefined} */
  let ownClientId;
  /** @type {Set<string | undefined>} */
  let clients = new Set();

  // The browser lists who stands in line by client; a lock that only this worker requests shows its client.
  const findOwnClientId = () => {
    const ownName = ownLocks.makeName(control.id);
    return request.call(manager, ownName, async () => {
      const { held = [] } = await query.call(manager);
      return held.find(({ name }) => name === ownName)?.clientId;
    });
  };
  const isPatient = () => control.realNow() < patientUntilMs;
  const updateClients = (/** @type {typeof clients} */ present) => {
    if ([...clients].some((id) => !present.has(id))) {
      // The one that was waited for has gone.
      patientUntilMs = 0;
    }
    clients = present;
  };
  const holdQueued = (/** @type {PendingLock[]} */ known, /** @type {LockInfo[]} */ pending) => {
    /** @type {Map<string | undefined, number>} */
    const inLine = new Map();
    for (const { name, clientId } of pending) {
      if (clientId === ownClientId) {
        inLine.set(name, (inLine.get(name) || 0) + 1);
      }
    }
    // Those of one name are granted in order, so the last ones are those that still stand in line.
    for (const { name, item } of known.reverse()) {
      const left = inLine.get(name) || 0;
      inLine.set(name, left - 1);
      work.setHeld(item, left > 0 && !isPatient());
    }
  };
  const check = async () => {
    if (isChecking || pendingLocks.size === 0) {
      return;
    }
    isChecking = true;
    try {
      ownClientId ??= await findOwnClientId();
      while ([...pendingLocks].some(({ item }) => !item.held)) {
        const before = [...pendingLocks];
        const { held = [], pending = [] } = await query.call(manager);
        updateClients(new Set([...held, ...pending].map(({ clientId }) => clientId)));
        // A request that was granted meanwhile makes the list outdated.
        if (before.every((each) => pendingLocks.has(each))) {
          holdQueued(before.filter(({ queues }) => queues), pending);
        }
      }
    } catch {
      // A browser that does not list locks: better not to wait than to wait without end.
      pendingLocks.forEach(({ item }) => work.setHeld(item, true));
    } finally {
      isChecking = false;
    }
  };
  const recheck = (hasDepartures = false) => {
    if (hasDepartures) {
      patientUntilMs = control.realNow() + PATIENCE_MS;
    }
    pendingLocks.forEach(({ item }) => work.setHeld(item, false));
    check();
    return pendingLocks.size > 0;
  };

  // The lock of `findOwnClientId`, of this worker or another one, is not the app's.
  ownLocks.hide();
  replace.method(LockManager.prototype, "request", (native, self, args) => {
    const callback = args[args.length - 1];
    /** @type {string} */
    let name;
    /** @type {any[]} */
    let rest;
    /** @type {boolean} */
    let queues;
    try {
      [name, ...rest] = toTexts(args.slice(0, -1), 1);
      rest = rest.map((each) => readOnce(each));
      const { ifAvailable, steal } = rest[0] ?? {};
      queues = !ifAvailable && !steal;
    } catch {
      // It rejects.
      return native(self, args);
    }
    if (args.length < 2 || typeof callback !== "function") {
      return native(self, args);
    }
    const pendingLock = {
      name, item: work.begin(`the lock ${name}`), queues,
    };
    pendingLocks.add(pendingLock);
    const endRequest = () => {
      pendingLocks.delete(pendingLock);
      work.end(pendingLock.item);
    };
    /** @type {WorkItem | null} */
    let releasing = null;
    let isSettled = false;
    const beginRelease = () => {
      // Whoever steals a lock ends its request before its callback: then there is nothing left to release.
      if (!isSettled) {
        releasing = work.begin(`releasing the lock ${name}`);
      }
    };
    const outcome = native(self, [name, ...rest, (/** @type {Lock | null} */ lock) => {
      endRequest();
      try {
        const result = Promise.resolve(callback(lock));
        then(result, beginRelease, beginRelease);
        return result;
      } catch (error) {
        beginRelease();
        throw error;
      }
    }]);
    check();
    return work.untilSettled(outcome, () => {
      isSettled = true;
      endRequest();
      if (releasing) {
        // The browser answers this query behind the release: now others, elsewhere too, can get the lock.
        const item = releasing;
        const endRelease = () => work.end(item);
        then(query.call(manager), endRelease, endRelease);
      }
      // The request behind it may be next.
      recheck();
    });
  });
  return { recheck };
})();
