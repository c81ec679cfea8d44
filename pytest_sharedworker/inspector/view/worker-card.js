// One worker: its state, and what can be done with it.
import { make, makeButton } from "./dom.js";
import { sendCommand } from "./live.js";
/** @import { Run } from "./controls.js" */

/** @type {(worker: any, run: Run) => { element: HTMLElement, update: (worker: any) => void }} */
export const createWorkerCard = ({ id, label, url }, run) => {
  const state = make("span", { class: "state" });
  let isOffline = false;
  const offline = makeButton("Offline", () => run("setOffline", { worker: id, offline: !isOffline }));
  offline.setAttribute("aria-label", `Offline: ${label}`);
  const end = makeButton("Terminate", () => run("terminate", { worker: id }), `Terminate ${label}`);
  const input = make("input", {
    type: "text", "aria-label": `Evaluate in ${label}`, placeholder: "JavaScript, for example self.name",
    spellcheck: "false", autocomplete: "off",
  });
  const output = make("output", { class: "value", tabindex: "0" });
  const form = make("form", { class: "evaluate" }, input, make("button", { type: "submit" }, "Evaluate"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      output.textContent = await sendCommand("evaluate", { worker: id, expression: input.value });
      output.classList.remove("failure");
    } catch (error) {
      output.textContent = error instanceof Error ? error.message : String(error);
      output.classList.add("failure");
    }
  });
  const heading = make("h3", { title: url }, label, " ", state);
  return {
    element: make("section", { class: "card", "aria-label": label }, heading,
      make("div", { class: "buttons" }, offline, end), form, output),
    update: (worker) => {
      isOffline = worker.isOffline;
      state.textContent = worker.isAlive ? (isOffline ? "alive, offline" : "alive") : "closed";
      offline.setAttribute("aria-pressed", String(isOffline));
      for (const button of [offline, end, ...form.querySelectorAll("button")]) {
        button.disabled = !worker.isAlive;
      }
    },
  };
};
