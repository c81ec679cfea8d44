// Hides the plugin's own locks, which `locks.js` requests, from the lists of a worker or a page.
const ownLocks = (() => {
  const PREFIX = "pytest-sharedworker ";
  return {
    /** @type {(id: string) => string} the name of a worker's lock */
    makeName: (id) => `${PREFIX}${id}`,
    hide: () => replace.method(LockManager.prototype, "query", async (native, self, args) => {
      const snapshot = await native(self, args);
      for (const kind of ["held", "pending"]) {
        snapshot[kind] = snapshot[kind]?.filter((/** @type {LockInfo} */ { name }) => !name?.startsWith(PREFIX));
      }
      return snapshot;
    }),
  };
})();
