// Virtual time of a worker: it moves only when the harness moves it, fires timers in order, and waits for
// the work they start (work.js) before it moves on. Tabs on virtual time move along, in one order.
(() => {
  const timers = make_timers(self, control.epoch_ms);
  control.now_ms = timers.now_ms;

  // --- tabs on virtual time -------------------------------------------------------------------
  // Each has timers of its own and answers on its own port, behind all that these timers posted.
  const tabs = (() => {
    let clocks = new Map();
    let waiting = 0;
    let all_there = () => {};
    let target_ms = Infinity;
    control.on_tab = (port, next_due_ms) => {
      const clock = clocks.get(port);
      if (clock) {
        clock.due_ms = next_due_ms === null ? Infinity : next_due_ms + clock.offset_ms;
        waiting -= 1;
        if (waiting === 0) {
          all_there();
        }
      }
    };
    return {
      // `states` tells of each tab's port where its clock stands and when its next timer is due.
      join: (states, to_ms) => {
        target_ms = to_ms;
        clocks = new Map();
        for (const [port, { now_ms, next_due_ms }] of Object.entries(states || {})) {
          const offset_ms = timers.now_ms() - now_ms;
          clocks.set(port, { offset_ms, due_ms: next_due_ms === null ? Infinity : next_due_ms + offset_ms });
        }
      },
      next_due_ms: () => {
        let first_ms = Infinity;
        for (const { due_ms } of clocks.values()) {
          first_ms = Math.min(first_ms, due_ms);
        }
        return first_ms;
      },
      run_to: async (to_ms) => {
        const moved = [...clocks].filter(([, { due_ms }]) => due_ms <= to_ms || to_ms === target_ms);
        waiting = moved.length;
        if (waiting === 0) {
          return;
        }
        const done = new Promise((resolve) => { all_there = resolve; });
        const date_ms = timers.date_ms() - timers.now_ms() + to_ms;
        for (const [port, { offset_ms }] of moved) {
          control.ports.get(port).postMessage({ [settings.mark]: { run_to_ms: to_ms - offset_ms, date_ms } });
        }
        await done;
      },
    };
  })();

  // --- moving time ----------------------------------------------------------------------------
  const channel = new MessageChannel();
  const turns = [];
  channel.port1.onmessage = () => turns.shift()();
  const turn = () => new Promise((resolve) => {
    turns.push(resolve);
    channel.port2.postMessage(null);
  });
  const settle = async () => {
    await turn();
    // Not before: what a callback's promises do in this turn still belongs to its timer.
    timers.end_task();
    while (work.is_running()) {
      await work.next_change();
      // Two turns: what just settled may go on in a task of its own and start the next request.
      await turn();
      await turn();
    }
  };
  const step = async (limit_ms) => {
    const timer = timers.next();
    const release = requests.next_release();
    const tab_ms = tabs.next_due_ms();
    const due_ms = Math.min(timer ? timer.due_ms : Infinity, release ? release.due_ms : Infinity, tab_ms);
    if (due_ms > limit_ms || due_ms === Infinity) {
      return false;
    }
    if (tab_ms === due_ms) {
      timers.set_now(due_ms);
      await tabs.run_to(due_ms);
    } else if (release && release.due_ms === due_ms) {
      timers.set_now(due_ms);
      requests.release(release);
    } else {
      timers.fire(timer);
    }
    return true;
  };

  const run_to = async (limit_ms) => {
    await settle();
    while (await step(limit_ms)) {
      await settle();
    }
  };

  let moving = false;
  const exclusively = (move) => async (params) => {
    if (moving) {
      throw new Error("this clock is already moving: let the other advance return first");
    }
    moving = true;
    try {
      return await move(params);
    } finally {
      moving = false;
    }
  };
  control.methods.advance = exclusively(async ({ ms, tab_clocks, somebody_left }) => {
    const target_ms = timers.now_ms() + ms;
    tabs.join(tab_clocks, target_ms);
    locks.look_again(somebody_left);
    await run_to(target_ms);
    timers.set_now(target_ms);
    await tabs.run_to(target_ms);
    if (locks.look_again()) {
      await run_to(target_ms);
    }
    return { now_ms: target_ms };
  });
  control.methods.run_next = exclusively(async ({ tab_clocks, somebody_left }) => {
    tabs.join(tab_clocks, Infinity);
    locks.look_again(somebody_left);
    await settle();
    if (!(await step(Infinity))) {
      return null;
    }
    await settle();
    return { now_ms: timers.now_ms() };
  });
  control.methods.set_date = ({ epoch_ms }) => timers.set_date(epoch_ms);
  control.methods.clock = () => ({
    now_ms: timers.now_ms(),
    date_ms: timers.date_ms(),
    moving,
    timers: timers.list(),
    pending: work.list(),
  });
})();
