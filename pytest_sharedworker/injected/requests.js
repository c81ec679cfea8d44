// Virtual time waits for the worker's requests by fetch and XMLHttpRequest. It does not wait for one that a
// toxic or a route suspends, until some virtual time or for an unknown time: the clock itself brings that
// time about.
const requests = (() => {
  /** @type {Map<number, WorkItem>} */
  const active = new Map();
  /** When each suspended request resumes by itself. @type {Map<number, number>} */
  const suspended = new Map();

  const begin = (/** @type {number} */ number, /** @type {string} */ what) => {
    active.set(number, work.begin(what));
  };
  // The gateway learns that a suspended request goes on: its time has come, or the worker abandons it.
  const resume = (/** @type {number} */ number) => {
    if (suspended.delete(number)) {
      work.setHeld(active.get(number), false);
      control.send({ event: "resume", request: number });
    }
  };
  const abandon = resume;
  const end = (/** @type {number} */ number) => {
    abandon(number);
    work.end(active.get(number));
    active.delete(number);
    control.send({ event: "requestEnd", request: number });
  };
  announcements.follow(
    ({ number, what }, response, signal) => {
      if (signal) {
        signal.addEventListener("abort", () => abandon(number));
      }
      begin(number, what);
      return work.untilSettled(response, () => end(number));
    },
    { begin: ({ number, what }) => begin(number, what), end },
  );

  /** @param {{ request: number, delayMs: number | null }} params */
  control.methods.suspend = ({ request, delayMs }) => {
    if (active.has(request)) {
      suspended.set(request, delayMs === null ? Infinity : Number(control.nowMs()) + delayMs);
      work.setHeld(active.get(request), true);
    } else {
      control.send({ event: "resume", request });
    }
  };
  /** @param {{ request: number }} params */
  control.methods.resume = ({ request }) => {
    if (suspended.delete(request)) {
      work.setHeld(active.get(request), false);
    }
  };

  return {
    /** The suspended request that resumes first, and when; null where none does by itself. */
    nextResume: () => {
      /** @type {{ request: number, dueMs: number } | null} */
      let first = null;
      for (const [request, dueMs] of suspended) {
        if (dueMs !== Infinity && (!first || dueMs < first.dueMs)) {
          first = { request, dueMs };
        }
      }
      return first;
    },
    resume,
  };
})();
