// Shows the events that stand in the file itself.
import { createView, getElement } from "./view.js";

const saved = JSON.parse(getElement("data", HTMLScriptElement).textContent ?? "");
getElement("title", HTMLElement).textContent = saved.title;
createView().add(saved.events);
