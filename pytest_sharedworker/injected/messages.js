// Messages of WebSockets and EventSources: virtual time waits until a socket is open, and until what the worker
// sent has been passed on, an answer that the server gives at once has come, and what the gateway has passed on
// to the worker has arrived. Time does not wait for an idle socket.
const messages = (() => {
  // How long a message that the gateway has passed on may take to arrive, and a close to take effect; real time.
  const PATIENCE_MS = 1000;

  /** @typedef {WebSocket | EventSource} Socket */
  /**
   * @typedef {object} SocketState
   * @property {Socket} socket
   * @property {string} what
   * @property {number} sentCount
   * @property {Record<string, number>} received by the types of events
   * @property {boolean} isOpen
   * @property {WorkItem | undefined} closing
   */
  /** @typedef {Record<string, number>} Counts of events that the gateway has passed on, by their types */
  /** @type {Map<number, SocketState>} */
  const states = new Map();
  /** @type {WeakMap<object, SocketState>} */
  const bySocket = new WeakMap();
  // Whether messages may be on their way.
  let isActive = false;
  /** @type {(value?: unknown) => void} */
  let wake = () => {};

  const note = () => {
    isActive = true;
    wake();
  };
  // Before the listeners of the script, which may stop the event.
  const countEvents = (/** @type {SocketState} */ state, /** @type {string} */ type) => {
    if (!state.isOpen && !(type in state.received)) {
      state.received[type] = 0;
      nativeAdd.call(state.socket, type, (/** @type {Event} */ event) => {
        if (event.isTrusted) {
          state.received[type] += 1;
          note();
        }
      }, true);
    }
  };
  const nativeAdd = EventTarget.prototype.addEventListener;
  const { WebSocket: Sockets, EventSource: Streams } = self;
  replace.method(Sockets.prototype, "send", (native, socket, args) => {
    const state = bySocket.get(socket);
    const isOpen = state?.socket.readyState === Sockets.OPEN;
    native(socket, args);
    if (state && isOpen) {
      state.sentCount += 1;
      note();
    }
  });
  replace.method(Sockets.prototype, "close", (native, socket, args) => {
    native(socket, args);
    const state = bySocket.get(socket);
    if (state && state.isOpen && !state.closing) {
      beginClosing(state);
    }
  });
  const beginClosing = (/** @type {SocketState} */ state) => {
    const item = work.begin(`the close of ${state.what}`);
    state.closing = item;
    work.setRealTimeout(() => work.end(item), PATIENCE_MS);
  };
  if (Streams) {
    // Its owner is the prototype of all event targets.
    replace.method(Streams.prototype, "addEventListener", (native, target, args) => {
      const state = bySocket.get(target);
      if (state && state.socket instanceof Streams && !["open", "error"].includes(String(args[0]))) {
        countEvents(state, String(args[0]));
      }
      native(target, args);
    });
  }

  sockets.follow((socket, number, what) => {
    /** @type {SocketState} */
    const state = { socket, what, sentCount: 0, received: {}, isOpen: false, closing: undefined };
    states.set(number, state);
    bySocket.set(socket, state);
    countEvents(state, "message");
    const isStream = Boolean(Streams) && socket instanceof Streams;
    requests.begin(number, what);
    const listen = (/** @type {string} */ type, /** @type {() => void} */ listener) => {
      nativeAdd.call(socket, type, (event) => event.isTrusted && listener(), true);
    };
    listen("open", () => {
      state.isOpen = true;
      requests.end(number, isStream);
      note();
    });
    const end = () => {
      if (!states.has(number)) {
        return;
      }
      state.isOpen = false;
      const isReconnecting = isStream && socket.readyState !== Streams.CLOSED;
      if (isReconnecting) {
        // The gateway counts from 0 again. Time does not wait for the connection, which the browser delays.
        Object.keys(state.received).forEach((type) => { state.received[type] = 0; });
      } else {
        states.delete(number);
      }
      work.end(state.closing);
      requests.end(number, isReconnecting);
      note();
    };
    listen("error", () => {
      // A WebSocket that a policy blocks is closed without an event in Chromium.
      if (isStream || socket.readyState === Sockets.CLOSED) {
        end();
      }
    });
    listen("close", end);
  });
  if (Streams) {
    replace.method(Streams.prototype, "close", (native, stream, args) => {
      native(stream, args);
      for (const [number, { socket }] of states) {
        if (socket === stream) {
          states.delete(number);
          requests.end(number);
        }
      }
      note();
    });
  }

  // --- waiting --------------------------------------------------------------------------------
  let nextQuestion = 1;
  /** @type {Map<number, (counts: Record<string, Counts>) => void>} */
  const questions = new Map();
  // Resolves when the gateway has passed on what the worker sent, with what it has passed on to the worker.
  const ask = (/** @type {[number, SocketState][]} */ open) => {
    const question = nextQuestion++;
    const sent = Object.fromEntries(open.map(([number, { sentCount }]) => [number, sentCount]));
    control.send({ event: "sockets", question, sent });
    return /** @type {Promise<Record<string, Counts>>} */ (
      new Promise((resolve) => { questions.set(question, resolve); })
    );
  };
  /** @param {{ question: number, counts: Record<string, Counts> }} params */
  control.methods.sockets = ({ question, counts }) => {
    questions.get(question)?.(counts);
    questions.delete(question);
  };
  const isMissing = (/** @type {number} */ number, /** @type {Counts} */ counts) => {
    const state = states.get(number);
    return state !== undefined && state.isOpen && Object.entries(counts).some(([type, count]) => (
      type === "close" || (type in state.received && state.received[type] < count)
    ));
  };
  const untilArrived = async (/** @type {Record<string, Counts>} */ counts) => {
    const expected = Object.entries(counts).map(([number, count]) => /** @type {const} */ ([Number(number), count]));
    const begin = control.realNow();
    const findMissing = () => expected.filter(([number, count]) => isMissing(number, count));
    while (findMissing().length && control.realNow() - begin < PATIENCE_MS) {
      await new Promise((resolve) => {
        wake = resolve;
        work.setRealTimeout(resolve, 50);
      });
    }
    for (const [number, count] of findMissing()) {
      // What is lost is not waited for again.
      Object.assign(states.get(number)?.received ?? {}, count);
    }
  };

  return {
    /** Messages may have come since time moved last. */
    touch: () => {
      isActive = true;
    },
    /** Waits for messages that are on their way; returns whether there may have been any. */
    settle: async () => {
      const open = [...states].filter(([number, { isOpen }]) => isOpen && !requests.isIgnored(number));
      if (!isActive || !open.length) {
        return false;
      }
      isActive = false;
      const item = work.begin(`messages of ${open.map(([, { what }]) => what).join(", ")}`);
      await untilArrived(await ask(open));
      work.end(item);
      return true;
    },
  };
})();
