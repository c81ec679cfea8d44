// Hides the plugin's own requests from the resource timing of a worker or a page.
const hideEntries = (/** @type {(entry: PerformanceEntry) => boolean} */ isOwn) => {
  for (const { prototype } of [self.Performance, self.PerformanceObserverEntryList].filter(Boolean)) {
    for (const name of ["getEntries", "getEntriesByName", "getEntriesByType"]) {
      replace.method(prototype, name, (native, self, args) => (
        native(self, args).filter((/** @type {PerformanceEntry} */ entry) => !isOwn(entry))
      ));
    }
  }
  replace.constructor(self, "PerformanceObserver", (create, [callback, ...rest]) => {
    if (typeof callback !== "function") {
      // It throws.
      return create([callback, ...rest]);
    }
    /** @type {PerformanceObserverCallback} */
    const filtered = (entries, observer, ...others) => {
      if (entries.getEntries().length) {
        callback.call(observer, entries, observer, ...others);
      }
    };
    return create([filtered, ...rest]);
  });
};
