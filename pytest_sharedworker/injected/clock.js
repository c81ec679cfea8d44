// Virtual time of a worker: it moves only when the plugin moves it, fires timers in order, and waits for the
// work they start (work.js) before it moves on. Tabs on virtual time move along, in one order.
(() => {
  /**
   * @typedef {object} TabClock
   * @property {number} nowMs
   * @property {number | null} nextDueMs
   * @property {boolean} hasOtherPorts whether the tab has more ports to this worker
   */
  const timers = makeTimers(self, control.epochMs, requests.expire);
  control.nowMs = timers.nowMs;

  // --- tabs on virtual time -------------------------------------------------------------------
  // Each has its own timers and answers on its own port, behind all that these timers posted. In the parts of a
  // move of several workers, a tab without a due timer stays behind until the worker posts to it, or until the end.
  const tabs = (() => {
    /** @typedef {{ offsetMs: number, dueMs: number, nowMs: number, hasOtherPorts: boolean }} Clock on this worker's time */
    /** @type {Map<string, Clock>} by the ports that the worker has not passed on */
    let clocks = new Map();
    /** @type {Record<string, number>} what tabs have posted to all their workers, by port */
    let posted = {};
    /** @type {Set<string>} ports of the tabs that have not answered */
    let awaited = new Set();
    let targetMs = Infinity;
    let isJump = false;
    let isPart = false;
    /** @type {(value?: unknown) => void} */
    let resolveAll = () => {};

    // Where the worker jumps, the tab does: its timers that are due on the way are due at the target.
    const toDue = (/** @type {number | null} */ nextDueMs, /** @type {number} */ offsetMs) => {
      const dueMs = nextDueMs === null ? Infinity : nextDueMs + offsetMs;
      return isJump && dueMs < targetMs ? targetMs : dueMs;
    };
    control.onTabClock = (port, nextDueMs, counts) => {
      Object.assign(posted, counts);
      const clock = clocks.get(port);
      if (clock) {
        clock.dueMs = toDue(nextDueMs, clock.offsetMs);
        noteAnswer(port);
      }
    };
    const noteAnswer = (/** @type {string} */ port) => {
      if (awaited.delete(port) && awaited.size === 0) {
        resolveAll();
      }
    };
    // The answer goes to the port's new owner.
    control.onPassedOn = (port) => {
      clocks.delete(port);
      noteAnswer(port);
    };
    const makeOrder = (/** @type {number} */ toMs, /** @type {number} */ offsetMs) => (
      { runToMs: toMs - offsetMs, dateMs: timers.dateMs() - timers.nowMs() + toMs, isJump }
    );
    // A tab without a due timer has stayed behind; it handles the message at the worker's time.
    control.beforePost = (port) => {
      const clock = clocks.get(port);
      const nowMs = timers.nowMs();
      if (clock && clock.nowMs < nowMs && nowMs < clock.dueMs) {
        clock.nowMs = nowMs;
        ports.post(port, { ...makeOrder(nowMs, clock.offsetMs), isSilent: true });
      }
    };
    /**
     * @param {number} toMs
     * @param {(port: string, clock: Clock) => boolean} isMoved
     */
    const run = async (toMs, isMoved) => {
      const moved = [...clocks].filter(([port, clock]) => isMoved(port, clock));
      awaited = new Set(moved.map(([port]) => port));
      if (awaited.size === 0) {
        return false;
      }
      const done = new Promise((resolve) => { resolveAll = resolve; });
      for (const [port, clock] of moved) {
        clock.nowMs = toMs;
        ports.post(port, makeOrder(toMs, clock.offsetMs));
      }
      await done;
      return true;
    };
    return {
      /**
       * @param {Record<string, TabClock> | undefined} states of each tab's clock, by its port; undefined: those that this
       *   worker has moved last
       * @param {number} toMs
       * @param {boolean} jump whether each timer that is due on the way fires once, at the target
       * @param {boolean} part whether another part of the same move follows
       */
      join: (states, toMs, jump, part) => {
        targetMs = toMs;
        isJump = jump;
        isPart = part;
        posted = {};
        if (!states) {
          return;
        }
        clocks = new Map();
        const kept = Object.entries(states).filter(([port]) => ports.isKept(port));
        for (const [port, { nowMs, nextDueMs, hasOtherPorts }] of kept) {
          const offsetMs = timers.nowMs() - nowMs;
          const dueMs = toDue(nextDueMs, offsetMs);
          clocks.set(port, { offsetMs, dueMs, nowMs: timers.nowMs(), hasOtherPorts });
        }
      },
      nextDueMs: () => {
        let firstMs = Infinity;
        for (const { dueMs } of clocks.values()) {
          firstMs = Math.min(firstMs, dueMs);
        }
        return firstMs;
      },
      runTo: async (/** @type {number} */ toMs) => {
        const isEnd = toMs === targetMs;
        await run(toMs, (port, { dueMs, hasOtherPorts }) => (
          dueMs <= toMs || (isEnd && (!isPart || hasOtherPorts || ports.hasPosted(port)))
        ));
      },
      /** Waits for the tabs that the worker has posted to, which may have set timers; returns whether there were any. */
      follow: () => run(timers.nowMs(), ports.hasPosted),
      getPosted: () => posted,
      countAwaited: () => awaited.size,
    };
  })();

  // --- moving time ----------------------------------------------------------------------------
  const channel = new MessageChannel();
  /** @type {((value?: unknown) => void)[]} */
  const turns = [];
  channel.port1.onmessage = () => turns.shift()?.();
  const turn = () => new Promise((resolve) => {
    turns.push(resolve);
    channel.port2.postMessage(null);
  });
  const settleMessages = async () => {
    const isSettled = await messages.settle();
    if (isSettled) {
      await turn();
      await turn();
    }
    return isSettled;
  };
  const settle = async () => {
    await turn();
    // Not before: what a callback's promises do in this turn still belongs to its timer.
    timers.endTask();
    do {
      while (work.isRunning()) {
        await work.nextChange();
        messages.touch();
        // Two turns: what just settled may go on in another task and start the next request.
        await turn();
        await turn();
      }
      // WebKit may run this in the middle of what a settled promise goes on with, which then starts the next work.
    } while (await settleMessages() || work.isRunning());
  };
  // The time of the next event: a timer, the end of a request's delay, or a timer of a tab.
  const nextDueMs = () => Math.min(
    timers.next()?.dueMs ?? Infinity,
    requests.nextResume()?.dueMs ?? Infinity,
    tabs.nextDueMs(),
  );
  const step = async (/** @type {number} */ limitMs) => {
    const timer = timers.next();
    const resume = requests.nextResume();
    const tabMs = tabs.nextDueMs();
    const dueMs = nextDueMs();
    if (dueMs > limitMs || dueMs === Infinity) {
      return false;
    }
    if (tabMs === dueMs) {
      timers.setNow(dueMs);
      await tabs.runTo(dueMs);
    } else if (resume && resume.dueMs === dueMs) {
      timers.setNow(dueMs);
      requests.resume(resume.request);
    } else if (timer) {
      await timers.fire(timer);
    }
    return true;
  };

  // Worker and tabs may go on answering each other without end.
  const MAX_ANSWERS = 20;
  const settleWithTabs = async () => {
    await settle();
    for (let answers = 0; answers < MAX_ANSWERS && await tabs.follow(); answers++) {
      await settle();
    }
  };
  const fireAll = async (/** @type {number} */ limitMs) => {
    while (await step(limitMs)) {
      await settleWithTabs();
    }
  };

  let isMoving = false;
  /**
   * @template Params, Result
   * @param {(params: Params) => Promise<Result>} move
   * @returns {(params: Params) => Promise<Result>}
   */
  const exclusively = (move) => async (params) => {
    if (isMoving) {
      throw new Error("this clock is already moving: let the other call return first");
    }
    isMoving = true;
    try {
      return await move(params);
    } finally {
      isMoving = false;
    }
  };
  /**
   * @typedef {object} Move
   * @property {number} ms
   * @property {Record<string, TabClock>} [tabClocks] by their ports; without them a move goes on
   * @property {boolean} [isPart] whether another part of the same move follows
   * @property {boolean} [hasDepartures] whether a tab or worker has gone since the last move
   * @property {Parameters<typeof ports.untilRead>[0]} posted by the tabs on this worker's ports
   */
  /**
   * @param {Move} move
   * @param {boolean} isJump
   */
  const runTo = async ({ ms, tabClocks, isPart = false, hasDepartures, posted }, isJump) => {
    await ports.untilRead(posted);
    messages.touch();
    const targetMs = timers.nowMs() + ms;
    tabs.join(tabClocks, targetMs, isJump, isPart);
    locks.recheck(hasDepartures);
    await settleWithTabs();
    if (isJump) {
      timers.setNow(targetMs);
      timers.postponeTo(targetMs);
    }
    await fireAll(targetMs);
    timers.setNow(targetMs);
    await tabs.runTo(targetMs);
    if (locks.recheck()) {
      await settle();
      await fireAll(targetMs);
    }
    const dueMs = nextDueMs();
    return { nowMs: targetMs, nextDueMs: dueMs === Infinity ? null : dueMs, posted: tabs.getPosted() };
  };
  control.methods.runFor = exclusively((/** @type {Move} */ move) => runTo(move, false));
  control.methods.fastForward = exclusively((/** @type {Move} */ move) => runTo(move, true));
  control.methods.runNext = exclusively(async (/** @type {Move} */ { tabClocks, hasDepartures, posted }) => {
    await ports.untilRead(posted);
    messages.touch();
    tabs.join(tabClocks, Infinity, false, false);
    locks.recheck(hasDepartures);
    await settleWithTabs();
    if (!(await step(Infinity))) {
      return null;
    }
    await settle();
    return { nowMs: timers.nowMs() };
  });
  control.methods.untilRead = ports.untilRead;
  /** @param {{ epochMs: number }} params */
  control.methods.setSystemTime = ({ epochMs }) => timers.setDate(epochMs);
  control.methods.clock = () => ({
    nowMs: timers.nowMs(),
    dateMs: timers.dateMs(),
    moving: isMoving,
    timers: timers.list(),
    pending: work.list(),
    awaitedTabs: tabs.countAwaited(),
    unreadPorts: ports.listUnread(),
  });
})();
