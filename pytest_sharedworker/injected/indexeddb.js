// IndexedDB: time waits for databases that are opened or deleted, and for transactions, until they have
// ended. Each request belongs to a transaction, so requests need not be followed one by one.
(() => {
  if (!self.IDBFactory) {
    return;
  }
  // Chromium may never end a transaction in which somebody clears the data of the site. After this real time, time
  // goes on without it.
  const TRANSACTION_PATIENCE_MS = 5000;

  /**
   * The browser serves what opens or deletes one database in order. Where a connection elsewhere blocks the
   * first, perhaps without end, all wait, and time does not wait with them.
   *
   * @typedef {{ items: Set<WorkItem>, isBlocked: boolean }} Queue
   */
  /** @type {Map<string, Queue>} */
  const queues = new Map();
  const getQueue = (/** @type {string} */ name) => {
    const queue = queues.get(name) || { items: new Set(), isBlocked: false };
    queues.set(name, queue);
    return queue;
  };
  const setBlocked = (/** @type {Queue} */ queue, /** @type {boolean} */ isBlocked) => {
    queue.isBlocked = isBlocked;
    for (const item of queue.items) {
      work.setHeld(item, isBlocked);
    }
  };
  for (const [method, doing] of [["open", "opening"], ["deleteDatabase", "deleting"]]) {
    replace.method(IDBFactory.prototype, method, (native, self, args) => {
      const texts = toTexts(args, 1);
      const [name] = texts;
      /** @type {IDBOpenDBRequest} */
      const request = native(self, texts);
      const queue = getQueue(name);
      const item = work.begin(`${doing} the database ${name}`);
      queue.items.add(item);
      work.setHeld(item, queue.isBlocked);
      listen(request, "blocked", () => setBlocked(queue, true));
      listen(request, "upgradeneeded", () => setBlocked(queue, false));
      const end = () => {
        queue.items.delete(item);
        work.end(item);
        setBlocked(queue, false);
      };
      listen(request, "success", end);
      listen(request, "error", ({ target }) => {
        // Errors of an upgrade's own requests do not come here, they bubble to the database.
        if (target === request) {
          end();
        }
      });
      return request;
    });
  }

  replace.method(IDBDatabase.prototype, "transaction", (native, self, args) => {
    /** @type {IDBTransaction} */
    const begun = native(self, args);
    work.untilEvent(
      `a transaction of the database ${self.name}`, begun, ["complete", "abort"], TRANSACTION_PATIENCE_MS,
    );
    return begun;
  });
})();
