// IndexedDB: time waits for databases that are opened or deleted, and for transactions, until they have
// ended. Each request belongs to a transaction, so that none has to be followed by itself.
(() => {
  if (!self.IDBFactory) {
    return;
  }
  // The browser serves what opens or deletes one database in order. Where a connection elsewhere blocks
  // the first, perhaps for life, all wait, and time does not wait with them.
  const queues = new Map();
  const queue_of = (name) => {
    if (!queues.has(name)) {
      queues.set(name, { items: new Set(), blocked: false });
    }
    return queues.get(name);
  };
  const block = (queue, blocked) => {
    queue.blocked = blocked;
    for (const item of queue.items) {
      work.hold(item, blocked);
    }
  };
  for (const [method, doing] of [["open", "opening"], ["deleteDatabase", "deleting"]]) {
    const native = IDBFactory.prototype[method];
    IDBFactory.prototype[method] = function (...args) {
      const request = native.apply(this, args);
      const queue = queue_of(String(args[0]));
      const item = work.begin(`${doing} the database ${args[0]}`);
      queue.items.add(item);
      work.hold(item, queue.blocked);
      request.addEventListener("blocked", () => block(queue, true));
      request.addEventListener("upgradeneeded", () => block(queue, false));
      const end = () => {
        queue.items.delete(item);
        work.end(item);
        block(queue, false);
      };
      request.addEventListener("success", end);
      request.addEventListener("error", ({ target }) => {
        // Errors of an upgrade's own requests do not come by here, they go up to the database.
        if (target === request) {
          end();
        }
      });
      return request;
    };
  }

  const { transaction } = IDBDatabase.prototype;
  IDBDatabase.prototype.transaction = function (...args) {
    const begun = transaction.apply(this, args);
    work.until_event(`a transaction of the database ${this.name}`, begun, ["complete", "abort"]);
    return begun;
  };
})();
