// Toxics and routes: a list of those in force, and the forms that add them.
import { make, makeButton, showItems } from "./dom.js";
import { getElement } from "./view.js";
/** @import { Run } from "./controls.js" */

/** @type {(form: HTMLFormElement, name: string) => string} */
const readField = (form, name) => {
  const field = form.elements.namedItem(name);
  return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field.value : "";
};

export const createFaults = (/** @type {Run} */ run) => {
  const toxics = getElement("toxics", HTMLElement);
  const routes = getElement("routes", HTMLElement);
  const kinds = getElement("toxic-kind", HTMLSelectElement);
  const attributes = getElement("toxic-attributes", HTMLElement);
  const addToxic = getElement("add-toxic", HTMLFormElement);
  const addRoute = getElement("add-route", HTMLFormElement);
  /** @type {{ name: string, attributes: { name: string, value: string }[] }[]} */
  let toxicKinds = [];

  const showAttributes = () => {
    const kind = toxicKinds.find(({ name }) => name === kinds.value);
    attributes.replaceChildren(...(kind ? kind.attributes : []).map(({ name, value }) => {
      const shown = value === '""' ? "" : value;
      return make("label", {}, `${name} `, make("input", { name: `attribute ${name}`, value: shown, size: "8" }));
    }));
  };
  kinds.addEventListener("change", showAttributes);
  addToxic.addEventListener("submit", (event) => {
    event.preventDefault();
    const kind = toxicKinds.find(({ name }) => name === kinds.value);
    const values = (kind ? kind.attributes : []).map(({ name }) => [name, readField(addToxic, `attribute ${name}`)]);
    const times = readField(addToxic, "times");
    run("addToxic", {
      toxic: kinds.value, on: readField(addToxic, "on"), attributes: Object.fromEntries(values),
      times: times ? Number(times) : null,
    });
  });
  addRoute.addEventListener("submit", (event) => {
    event.preventDefault();
    run("addRoute", {
      on: readField(addRoute, "on"), status: Number(readField(addRoute, "status")),
      body: readField(addRoute, "body"), mime: readField(addRoute, "mime"),
    });
  });

  /** @type {(command: string) => (fault: any) => { element: HTMLElement, update: (fault: any) => void }} */
  const createFault = (command) => ({ id, text }) => {
    const title = make("span");
    return {
      element: make("li", {}, title, makeButton("Remove", () => run(command, { id }), `Remove ${text}`)),
      update: ({ hits, left }) => {
        const rest = typeof left === "number" ? `, ${left} left` : "";
        title.textContent = `${text}: met ${hits} requests${rest}`;
      },
    };
  };
  return (/** @type {any} */ state) => {
    showItems(toxics, state.toxics, ({ id }) => id, createFault("removeToxic"));
    showItems(routes, state.routes, ({ id }) => id, createFault("removeRoute"));
    getElement("no-faults", HTMLElement).hidden = state.toxics.length + state.routes.length > 0;
    if (!toxicKinds.length) {
      toxicKinds = state.toxicKinds;
      kinds.append(...toxicKinds.map(({ name }) => make("option", { value: name }, name)));
      kinds.value = "http_status";
      showAttributes();
    }
  };
};
