// Virtual timers and dates of one scope, a worker's or a page's: setTimeout, setInterval and their
// clears, AbortSignal.timeout, Date and performance.now. Time stands still until `fire` or `set_now` moves it. HTML's rules
// for delays hold (integers, at least 4 ms from the sixth nesting on), so that a loop of zero delays
// comes to an end as it does in real time.
const make_timers = (scope, epoch_ms) => {
  const MINIMUM_NESTED_DELAY_MS = 4;
  const FREE_NESTING = 5;
  const NativeDate = scope.Date;

  // All times are milliseconds since the start; `origin_ms` maps them to dates.
  let now_ms = 0;
  let origin_ms = epoch_ms;

  const timers = new Map();
  let next_timer_id = 1;
  let next_order = 0;
  let nesting_now = 0;

  const delay_of = (delay, nesting) => {
    const whole_ms = Math.max(0, delay | 0);
    return nesting > FREE_NESTING ? Math.max(MINIMUM_NESTED_DELAY_MS, whole_ms) : whole_ms;
  };
  const add = (callback, delay, args, repeat) => {
    const nesting = nesting_now + 1;
    const timer = {
      id: next_timer_id++, callback, args, nesting, repeat, delay,
      due_ms: now_ms + delay_of(delay, nesting), order: next_order++,
    };
    timers.set(timer.id, timer);
    return timer.id;
  };
  const clear = (id) => {
    timers.delete(Number(id));
  };
  scope.setTimeout = function setTimeout(callback, delay, ...args) {
    return add(callback, delay, args, false);
  };
  scope.setInterval = function setInterval(callback, delay, ...args) {
    return add(callback, delay, args, true);
  };
  scope.clearTimeout = function clearTimeout(id) {
    clear(id);
  };
  scope.clearInterval = function clearInterval(id) {
    clear(id);
  };
  scope.AbortSignal.timeout = function timeout(delay) {
    const controller = new AbortController();
    add(() => controller.abort(new DOMException("signal timed out", "TimeoutError")), delay, [], false);
    return controller.signal;
  };

  const VirtualDate = function Date(...args) {
    if (!new.target) {
      return new NativeDate(origin_ms + now_ms).toString();
    }
    return Reflect.construct(NativeDate, args.length ? args : [origin_ms + now_ms], new.target);
  };
  Object.defineProperties(VirtualDate, {
    length: { value: 7 },
    prototype: { value: NativeDate.prototype },
    now: { value: () => origin_ms + now_ms, writable: true, configurable: true },
    parse: { value: NativeDate.parse, writable: true, configurable: true },
    UTC: { value: NativeDate.UTC, writable: true, configurable: true },
  });
  NativeDate.prototype.constructor = VirtualDate;
  scope.Date = VirtualDate;
  Object.defineProperty(scope.performance, "now", { value: () => now_ms, writable: true, configurable: true });
  Object.defineProperty(scope.performance, "timeOrigin", { value: epoch_ms, configurable: true });

  const sorted = () => [...timers.values()].sort((a, b) => a.due_ms - b.due_ms || a.order - b.order);

  return {
    now_ms: () => now_ms,
    date_ms: () => origin_ms + now_ms,
    set_now: (ms) => {
      now_ms = Math.max(now_ms, ms);
    },
    set_date: (ms) => {
      origin_ms = ms - now_ms;
    },
    next: () => {
      let first = null;
      for (const timer of timers.values()) {
        if (!first || timer.due_ms < first.due_ms || (timer.due_ms === first.due_ms && timer.order < first.order)) {
          first = timer;
        }
      }
      return first;
    },
    fire: (timer) => {
      now_ms = Math.max(now_ms, timer.due_ms);
      if (timer.repeat) {
        timer.nesting += 1;
        timer.due_ms = now_ms + Math.max(1, delay_of(timer.delay, timer.nesting));
        timer.order = next_order++;
      } else {
        timers.delete(timer.id);
      }
      nesting_now = timer.nesting;
      try {
        if (typeof timer.callback === "function") {
          timer.callback.apply(scope, timer.args);
        } else {
          (0, eval)(String(timer.callback));
        }
      } catch (error) {
        // As in real time: one timer's exception is reported and the others go on.
        scope.reportError(error);
      }
    },
    // To be called when the task that `fire` began is over, its promises included.
    end_task: () => {
      nesting_now = 0;
    },
    list: () => sorted().map(({ due_ms, repeat, delay }) => ({
      due_ms, interval_ms: repeat ? Number(delay) || 0 : null,
    })),
  };
};
