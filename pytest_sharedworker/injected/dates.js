// What the scripts of one scope, a worker or a page, can read as the time: Date, Intl, Temporal, performance,
// the timestamps of events and files. All of it comes from the virtual clock of the scope.

/**
 * @typedef {object} ScopeTime
 * @property {() => number} nowMs milliseconds since the scope's start
 * @property {() => number} dateMs milliseconds since 1970
 * @property {number} epochMs the date of the scope's start
 */
const installDates = (/** @type {typeof globalThis} */ scope, /** @type {ScopeTime} */ { nowMs, dateMs, epochMs }) => {
  // --- Date -----------------------------------------------------------------------------------
  const NativeDate = scope.Date;
  replace.method(NativeDate, "now", () => dateMs());
  replace.constructor(
    scope, "Date",
    (create, args) => create(args.length ? args : [dateMs()]),
    () => new NativeDate(dateMs()).toString(),
  );

  // --- Intl and Temporal ----------------------------------------------------------------------
  const { prototype: format } = Intl.DateTimeFormat;
  /** @type {WeakMap<object, unknown>} */
  const formats = new WeakMap();
  replace.getter(format, "format", (native, self) => {
    // The browser makes one function for each object.
    const formatDate = native(self, []);
    const virtual = formats.get(formatDate) ?? new Proxy(formatDate, {
      apply: (target, receiver, [date]) => Reflect.apply(target, receiver, [date === undefined ? dateMs() : date]),
    });
    formats.set(formatDate, virtual);
    return virtual;
  });
  replace.method(format, "formatToParts", (native, self, [date]) => (
    native(self, [date === undefined ? dateMs() : date])
  ));
  const Temporal = /** @type {any} */ (scope).Temporal;
  if (Temporal) {
    const { Now } = Temporal;
    const instant = () => Temporal.Instant.fromEpochMilliseconds(Math.floor(dateMs()));
    const zoned = (/** @type {unknown} */ zone = Now.timeZoneId()) => instant().toZonedDateTimeISO(zone);
    replace.method(Now, "instant", instant);
    replace.method(Now, "zonedDateTimeISO", (_, _self, [zone]) => zoned(zone));
    replace.method(Now, "plainDateTimeISO", (_, _self, [zone]) => zoned(zone).toPlainDateTime());
    replace.method(Now, "plainDateISO", (_, _self, [zone]) => zoned(zone).toPlainDate());
    replace.method(Now, "plainTimeISO", (_, _self, [zone]) => zoned(zone).toPlainTime());
  }

  // --- performance ----------------------------------------------------------------------------
  const { prototype: performance } = scope.Performance;
  replace.method(performance, "now", (native, self, args) => {
    native(self, args);
    return nowMs();
  });
  replace.getter(performance, "timeOrigin", (native, self) => {
    native(self, []);
    return epochMs;
  });
  replace.method(performance, "toJSON", (native, self, args) => ({ ...native(self, args), timeOrigin: epochMs }));
  // The browser refuses options that are no object.
  const withStart = (/** @type {any[]} */ args) => {
    const [name, options] = args;
    if (args.length === 0 || !(options === undefined || options === null || typeof options === "object")) {
      return args;
    }
    return [name, readOnce(options ?? {}, { startTime: nowMs() })];
  };
  replace.method(performance, "mark", (native, self, args) => native(self, withStart(args)));
  // `new PerformanceMark()` takes the time by itself too.
  replace.constructor(scope, "PerformanceMark", (create, args) => create(withStart(args)));
  replace.method(performance, "measure", (native, self, args) => {
    const [name, start, endMark] = args;
    if (args.length === 0 || endMark !== undefined || typeof start === "symbol") {
      return native(self, args);
    }
    const isObject = typeof start === "object" && start;
    const options = isObject ? readOnce(start) : { start: start === undefined || start === null ? 0 : String(start) };
    if (isObject && options.start === undefined && options.end === undefined
      && (options.detail !== undefined || options.duration !== undefined)) {
      // It throws.
      return native(self, [name, options]);
    }
    const isOpen = options.end === undefined && (options.start === undefined || options.duration === undefined);
    return native(self, [name, isOpen ? readOnce(options, { end: nowMs() }) : options]);
  });

  // --- events and files -----------------------------------------------------------------------
  // The browser stamps an event when it makes it. A script reads the stamp first in the task of the event.
  /** @type {WeakMap<object, number>} */
  const stamps = new WeakMap();
  replace.getter(scope.Event.prototype, "timeStamp", (native, self) => {
    native(self, []);
    const stamp = stamps.get(self) ?? nowMs();
    stamps.set(self, stamp);
    return stamp;
  });
  replace.constructor(scope, "File", (create, args) => {
    const [bits, name, options] = args;
    if (args.length < 2 || !(options === undefined || options === null || typeof options === "object")) {
      return create(args);
    }
    return create([bits, name, readOnce(options ?? {}, { lastModified: dateMs() })]);
  });
};
