// The view of a test's events: filters, lanes, list and details, drawn at most once a frame.
import { drawLegend, LanesCanvas } from "./lanes.js";
import { EventList } from "./event-list.js";
import { EventModel, getTime, KINDS, MAX_EVENTS } from "./model.js";
import { showDetails } from "./details.js";
import { TimeScale } from "./scale.js";
/** @import { InspectorEvent, Axis } from "./model.js" */

/** @type {<T extends Element>(id: string, type: new () => T) => T} */
export const getElement = (id, type) => {
  const element = document.getElementById(id);
  if (!(element instanceof type)) {
    throw new TypeError(`the page has no ${type.name} ${id}`);
  }
  return element;
};

export const createView = () => {
  const model = new EventModel();
  const scale = new TimeScale();
  const canvas = getElement("lanes", HTMLCanvasElement);
  const lanes = new LanesCanvas(canvas, model, scale);
  const panel = getElement("details", HTMLElement);
  const list = new EventList(getElement("events", HTMLElement), model, {
    onSelect: (event) => {
      lanes.selected = event;
      showDetails(panel, event);
      requestDraw();
    },
    onOpen: () => panel.focus(),
  });
  const count = getElement("count", HTMLElement);
  /** @type {Axis} */
  let axis = "real";
  let isRequested = false;

  const draw = () => {
    isRequested = false;
    if (scale.isFitted && model.shown.length) {
      let first = Infinity;
      let last = -Infinity;
      for (const event of model.shown) {
        const time = getTime(event, axis);
        first = Math.min(first, time);
        last = Math.max(last, time);
      }
      scale.fit(first, last);
    }
    lanes.draw();
    list.draw();
    const lost = model.lost ? `; ${model.lost} older ones are gone, the page keeps ${MAX_EVENTS}` : "";
    count.textContent = `${model.shown.length} of ${model.events.length} events${lost}`;
    const what = `${model.shown.length} events of ${model.lanes.join(", ")}`;
    canvas.setAttribute("aria-label", `Timeline: ${what}. The list of events has the same events.`);
  };
  const requestDraw = () => {
    if (!isRequested) {
      isRequested = true;
      requestAnimationFrame(draw);
    }
  };

  // --- filters and axis -------------------------------------------------------------------------
  const kinds = getElement("kinds", HTMLElement);
  /** @type {[HTMLCanvasElement, string][]} */
  const legends = [];
  for (const kind of KINDS) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    const legend = document.createElement("canvas");
    box.type = "checkbox";
    box.checked = true;
    legend.width = 32;
    legend.height = 32;
    legend.setAttribute("aria-hidden", "true");
    legends.push([legend, kind]);
    label.append(box, legend, kind);
    kinds.append(label);
    box.addEventListener("change", () => {
      if (box.checked) {
        model.hiddenKinds.delete(kind);
      } else {
        model.hiddenKinds.add(kind);
      }
      model.filter();
      list.isRevealing = true;
      requestDraw();
    });
  }
  const drawLegends = () => legends.forEach(([legend, kind]) => drawLegend(legend, kind));
  const search = getElement("search", HTMLInputElement);
  search.addEventListener("input", () => {
    model.text = search.value;
    model.filter();
    list.isRevealing = true;
    requestDraw();
  });
  for (const radio of document.querySelectorAll("input[name=axis]")) {
    radio.addEventListener("change", () => {
      axis = radio instanceof HTMLInputElement && radio.value === "virtual" ? "virtual" : "real";
      lanes.axis = axis;
      list.axis = axis;
      scale.isFitted = true;
      requestDraw();
    });
  }

  // --- zoom -------------------------------------------------------------------------------------
  const middle = () => (scale.start + scale.end) / 2;
  /** @type {Record<string, () => void>} */
  const actions = {
    "zoom-in": () => scale.zoom(0.5, middle()),
    "zoom-out": () => scale.zoom(2, middle()),
    earlier: () => scale.move(-0.3),
    later: () => scale.move(0.3),
    fit: () => { scale.isFitted = true; },
  };
  for (const [id, act] of Object.entries(actions)) {
    getElement(id, HTMLButtonElement).addEventListener("click", () => {
      act();
      requestDraw();
    });
  }
  canvas.addEventListener("wheel", (event) => {
    // Without a modifier the wheel scrolls the page.
    if (event.ctrlKey || event.shiftKey) {
      event.preventDefault();
      if (event.ctrlKey) {
        scale.zoom(event.deltaY > 0 ? 1.25 : 0.8, lanes.findTime(event.clientX));
      } else {
        scale.move((event.deltaY || event.deltaX) > 0 ? 0.1 : -0.1);
      }
      requestDraw();
    }
  }, { passive: false });
  canvas.addEventListener("click", ({ clientX, clientY }) => {
    const event = lanes.findEvent(clientX, clientY);
    if (event) {
      list.select(event);
    }
  });
  canvas.addEventListener("mousemove", ({ clientX, clientY }) => {
    canvas.style.cursor = lanes.findEvent(clientX, clientY) ? "pointer" : "default";
  });

  new ResizeObserver(requestDraw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawLegends();
    requestDraw();
  });
  drawLegends();
  showDetails(panel, null);
  return {
    /** @type {(events: InspectorEvent[], lost?: number) => void} */
    add: (events, lost) => {
      model.add(events, lost);
      requestDraw();
    },
  };
};
