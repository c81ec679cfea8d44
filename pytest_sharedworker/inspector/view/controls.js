// The controls of a paused test: time, faults, workers and tabs.
import { make, makeButton, showItems } from "./dom.js";
import { createFaults } from "./faults.js";
import { sendCommand } from "./live.js";
import { formatTime } from "./model.js";
import { getElement } from "./view.js";
import { createWorkerCard } from "./worker-card.js";

/** @typedef {(name: string, args?: Record<string, unknown>) => Promise<void>} Run */

export const createControls = () => {
  const result = getElement("result", HTMLElement);
  const status = getElement("status", HTMLElement);
  const panel = getElement("controls", HTMLFieldSetElement);
  const resume = getElement("resume", HTMLButtonElement);

  /** @type {Run} Sends a command and shows its result. */
  const run = async (name, args) => {
    panel.setAttribute("aria-busy", "true");
    try {
      result.textContent = String(await sendCommand(name, args));
      result.classList.remove("failure");
    } catch (error) {
      result.textContent = error instanceof Error ? error.message : String(error);
      result.classList.add("failure");
    }
    panel.removeAttribute("aria-busy");
  };

  // --- time -------------------------------------------------------------------------------------
  resume.addEventListener("click", () => run("resume"));
  getElement("run-next", HTMLButtonElement).addEventListener("click", () => run("runNext"));
  getElement("run-1", HTMLButtonElement).addEventListener("click", () => run("runFor", { ms: 1000 }));
  getElement("run-30", HTMLButtonElement).addEventListener("click", () => run("runFor", { ms: 30_000 }));
  const play = getElement("play", HTMLButtonElement);
  play.addEventListener("click", () => run("play", { on: play.getAttribute("aria-pressed") !== "true" }));
  const until = getElement("until", HTMLFormElement);
  until.addEventListener("submit", (event) => {
    event.preventDefault();
    run("runUntilRequest", { pattern: getElement("until-pattern", HTMLInputElement).value || "**" });
  });

  const showFaults = createFaults(run);
  const clock = getElement("clock", HTMLElement);
  const timers = getElement("timers", HTMLElement);
  const tabs = getElement("tabs", HTMLElement);
  const actions = getElement("actions", HTMLElement);
  const watches = getElement("watches", HTMLElement);
  let canCrash = false;

  const createTab = (/** @type {any} */ { title }) => {
    const text = make("span");
    const element = make("li", {}, text);
    if (canCrash) {
      element.append(makeButton("Crash", () => run("crash", { tab: title }), `Crash ${title}`));
    }
    return {
      element, update: (/** @type {any} */ { url }) => { text.textContent = `${title}: ${url}`; },
    };
  };
  const createAction = (/** @type {string} */ name) => ({
    element: makeButton(name, () => run("act", { action: name })), update: () => {},
  });
  const createWatch = (/** @type {any} */ { name }) => {
    const value = make("dd");
    return {
      element: make("div", {}, make("dt", {}, name), value),
      update: (/** @type {any} */ watch) => { value.textContent = watch.value; },
    };
  };
  const createLine = () => {
    const element = make("li");
    return { element, update: (/** @type {any} */ { line }) => { element.textContent = line; } };
  };

  return {
    /** Shows the state of the test. */
    show: (/** @type {any} */ state) => {
      panel.disabled = !state.isPaused;
      resume.disabled = !state.isPaused;
      const reason = state.isPlaying ? "virtual time passes as real time does" : state.reason;
      status.textContent = state.isPaused ? `Paused: ${reason}` : "Running";
      status.dataset.paused = String(state.isPaused);
      if (state.title) {
        getElement("title", HTMLElement).textContent = state.title;
        document.title = `${state.title} · worker inspector`;
      }
      if (!state.isPaused) {
        return;
      }
      canCrash = state.canCrash;
      clock.textContent = `${state.clock.kind} clock at ${formatTime(state.clock.now)}`;
      play.setAttribute("aria-pressed", String(state.isPlaying));
      showItems(timers, listTimers(state), ({ key }) => key, createLine);
      showItems(tabs, state.tabs, ({ title }) => title, createTab);
      showItems(getElement("workers", HTMLElement), state.workers, ({ id }) => id, (worker) => (
        createWorkerCard(worker, run)
      ));
      showItems(actions, state.actions, (name) => name, createAction);
      showItems(watches, state.watches, ({ name }) => name, createWatch);
      getElement("offers", HTMLElement).hidden = !state.actions.length && !state.watches.length;
      showFaults(state);
    },
  };
};

/** Returns the next timers, and what time waits for. */
const listTimers = (/** @type {any} */ state) => {
  /** @type {{ key: string, line: string }[]} */
  const lines = [];
  for (const { id, label, isAlive, now, timers, waitsFor, error } of state.workers) {
    if (!isAlive) continue;
    for (const [index, { due, interval }] of timers.slice(0, 20).entries()) {
      const again = interval === null ? "" : `, every ${formatTime(interval)}`;
      lines.push({ key: `${id} ${index}`, line: `${label}: timer in ${formatTime(due - now)}${again}` });
    }
    for (const [index, { what, isHeld }] of waitsFor.entries()) {
      const held = isHeld ? " (time does not wait for it)" : "";
      lines.push({ key: `${id} work ${index}`, line: `${label} waits for ${what}${held}` });
    }
    if (error) {
      lines.push({ key: `${id} error`, line: `${label}: ${error}` });
    }
  }
  return lines.length ? lines : [{ key: "none", line: "No timer is pending, time waits for nothing." }];
};
