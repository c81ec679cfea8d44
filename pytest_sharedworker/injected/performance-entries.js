// Hides the plugin's own requests from the resource timing of a worker or a page.
const hideEntries = (/** @type {(entry: PerformanceEntry) => boolean} */ isOwn) => {
  for (const { prototype } of [self.Performance, self.PerformanceObserverEntryList].filter(Boolean)) {
    const owner = /** @type {Record<string, any>} */ (/** @type {unknown} */ (prototype));
    for (const name of ["getEntries", "getEntriesByName", "getEntriesByType"]) {
      const native = owner[name];
      owner[name] = function (/** @type {unknown[]} */ ...args) {
        return native.apply(this, args).filter((/** @type {PerformanceEntry} */ entry) => !isOwn(entry));
      };
    }
  }
  if (self.PerformanceObserver) {
    self.PerformanceObserver = new Proxy(self.PerformanceObserver, {
      construct: (target, [callback, ...rest], newTarget) => {
        const isFunction = typeof callback === "function";
        /** @type {PerformanceObserverCallback} */
        const filtered = (entries, ...others) => {
          if (entries.getEntries().length) {
            callback.call(others[0], entries, ...others);
          }
        };
        return Reflect.construct(target, [isFunction ? filtered : callback, ...rest], newTarget);
      },
    });
    self.PerformanceObserver.prototype.constructor = self.PerformanceObserver;
  }
};
