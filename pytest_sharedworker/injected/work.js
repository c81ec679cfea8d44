// What virtual time waits for: work of the browser that the worker began and that has not ended. Work
// that is held goes on meanwhile, and time does not wait for it.
const work = (() => {
  // A stream may stay open for life. One that has brought nothing for so long, in real time, is taken
  // for one that does.
  const STREAM_PATIENCE_MS = 1000;
  const set_real_timeout = self.setTimeout.bind(self);
  const clear_real_timeout = self.clearTimeout.bind(self);

  const all = new Set();
  let running = 0;
  let wake = () => {};

  // `what` is for people: it is named where time waits in vain.
  const begin = (what) => {
    const item = { what, held: false };
    all.add(item);
    running += 1;
    return item;
  };
  const hold = (item, held) => {
    if (all.has(item) && item.held !== held) {
      item.held = held;
      running += held ? -1 : 1;
      wake();
    }
  };
  const end = (item) => {
    if (all.delete(item)) {
      running -= item.held ? 0 : 1;
      wake();
    }
  };
  // The promise that is returned is the one to hand on: a rejection that nobody handles stays one.
  const until_settled = (promise, done) => promise.then(
    (value) => {
      done();
      return value;
    },
    (error) => {
      done();
      throw error;
    },
  );

  return {
    begin,
    hold,
    end,
    until_settled,
    until: (what, promise) => {
      const item = begin(what);
      return until_settled(promise, () => end(item));
    },
    until_event: (what, target, types) => {
      const item = begin(what);
      for (const type of types) {
        target.addEventListener(type, () => end(item), { once: true });
      }
    },
    while_patient: (what, promise) => {
      const item = begin(what);
      const patience = set_real_timeout(hold, STREAM_PATIENCE_MS, item, true);
      return until_settled(promise, () => {
        clear_real_timeout(patience);
        end(item);
      });
    },
    is_running: () => running > 0,
    next_change: () => new Promise((resolve) => { wake = resolve; }),
    list: () => [...all].map(({ what, held }) => ({ what, held })),
  };
})();
