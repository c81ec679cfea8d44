// What the scripts of one scope, a worker or a page, can read as the time: Date, Intl, Temporal, performance,
// the timestamps of events and files. All of it comes from the virtual clock of the scope.

/**
 * @typedef {object} ScopeTime
 * @property {() => number} nowMs milliseconds since the scope's start
 * @property {() => number} dateMs milliseconds since 1970
 * @property {number} epochMs the date of the scope's start
 */
const installDates = (/** @type {typeof globalThis} */ scope, /** @type {ScopeTime} */ { nowMs, dateMs, epochMs }) => {
  const NativeDate = scope.Date;
  const define = (/** @type {object} */ target, /** @type {PropertyDescriptorMap} */ properties) => {
    for (const [name, descriptor] of Object.entries(properties)) {
      const writable = "value" in descriptor ? { writable: true } : {};
      Object.defineProperty(target, name, { configurable: true, ...writable, ...descriptor });
    }
  };

  // --- Date -----------------------------------------------------------------------------------
  const VirtualDate = function Date(/** @type {any[]} */ ...args) {
    if (!new.target) {
      return new NativeDate(dateMs()).toString();
    }
    return Reflect.construct(NativeDate, args.length ? args : [dateMs()], new.target);
  };
  Object.defineProperties(VirtualDate, {
    length: { value: 7 },
    prototype: { value: NativeDate.prototype },
  });
  define(VirtualDate, {
    now: { value: function now() { return dateMs(); } },
    parse: { value: NativeDate.parse },
    UTC: { value: NativeDate.UTC },
  });
  NativeDate.prototype.constructor = VirtualDate;
  scope.Date = /** @type {DateConstructor} */ (/** @type {unknown} */ (VirtualDate));

  // --- Intl and Temporal ----------------------------------------------------------------------
  const { prototype: format } = Intl.DateTimeFormat;
  const nativeFormat = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(format, "format"));
  const nativeFormatToParts = format.formatToParts;
  define(format, {
    format: {
      get() {
        const formatDate = nativeFormat.get?.call(this);
        return (/** @type {Date | number | undefined} */ date) => formatDate(date === undefined ? dateMs() : date);
      },
    },
    formatToParts: {
      value: function formatToParts(/** @type {Date | number | undefined} */ date) {
        return nativeFormatToParts.call(this, date === undefined ? dateMs() : date);
      },
    },
  });
  const Temporal = /** @type {any} */ (scope).Temporal;
  if (Temporal) {
    const { Now } = Temporal;
    const instant = () => Temporal.Instant.fromEpochMilliseconds(Math.floor(dateMs()));
    const zoned = (/** @type {unknown} */ zone = Now.timeZoneId()) => instant().toZonedDateTimeISO(zone);
    define(Now, {
      instant: { value: instant },
      zonedDateTimeISO: { value: function zonedDateTimeISO(/** @type {any} */ zone) { return zoned(zone); } },
      plainDateTimeISO: {
        value: function plainDateTimeISO(/** @type {any} */ zone) { return zoned(zone).toPlainDateTime(); },
      },
      plainDateISO: { value: function plainDateISO(/** @type {any} */ zone) { return zoned(zone).toPlainDate(); } },
      plainTimeISO: { value: function plainTimeISO(/** @type {any} */ zone) { return zoned(zone).toPlainTime(); } },
    });
  }

  // --- performance ----------------------------------------------------------------------------
  const { prototype: performance } = scope.Performance;
  const { mark: nativeMark, measure: nativeMeasure, toJSON: nativeToJson } = performance;
  define(performance, {
    now: { value: function now() { return nowMs(); } },
    timeOrigin: { get: () => epochMs },
    toJSON: { value: function toJSON() { return { ...nativeToJson.call(this), timeOrigin: epochMs }; } },
    mark: {
      value: function mark(/** @type {string} */ name, /** @type {PerformanceMarkOptions} */ options = {}) {
        return nativeMark.call(this, name, { ...options, startTime: options?.startTime ?? nowMs() });
      },
    },
    measure: {
      /**
       * @param {string} name
       * @param {string | PerformanceMeasureOptions} [start]
       * @param {string} [endMark]
       */
      value: function measure(name, start, endMark) {
        if (endMark !== undefined) {
          return nativeMeasure.call(this, name, /** @type {string} */ (start), endMark);
        }
        const options = typeof start === "object" && start ? start : { start: start ?? 0 };
        const isOpen = options.end === undefined && (options.start === undefined || options.duration === undefined);
        return nativeMeasure.call(this, name, isOpen ? { ...options, end: nowMs() } : options);
      },
    },
  });
  // `new PerformanceMark()` takes the time by itself too.
  const NativeMark = scope.PerformanceMark;
  scope.PerformanceMark = class PerformanceMark extends NativeMark {
    constructor(/** @type {string} */ name, /** @type {PerformanceMarkOptions} */ options = {}) {
      super(name, { ...options, startTime: options?.startTime ?? nowMs() });
    }
  };

  // --- events and files -----------------------------------------------------------------------
  // The browser stamps an event when it makes it. A script reads the stamp first in the task of the event.
  /** @type {WeakMap<object, number>} */
  const stamps = new WeakMap();
  define(scope.Event.prototype, {
    timeStamp: {
      enumerable: true,
      get() {
        const stamp = stamps.get(this) ?? nowMs();
        stamps.set(this, stamp);
        return stamp;
      },
    },
  });
  const NativeFile = scope.File;
  scope.File = new Proxy(NativeFile, {
    construct(target, [bits, name, options, ...rest], newTarget) {
      const dated = { ...options, lastModified: options?.lastModified ?? dateMs() };
      return Reflect.construct(target, [bits, name, dated, ...rest], newTarget);
    },
  });
  NativeFile.prototype.constructor = scope.File;
};
