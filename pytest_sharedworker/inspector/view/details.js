// The panel beside the lanes: one event with its headers, body or stack. Everything is text.
import { formatTime } from "./model.js";
/** @import { InspectorEvent } from "./model.js" */

/** @type {(panel: HTMLElement, event: InspectorEvent | null) => void} */
export const showDetails = (panel, event) => {
  const heading = document.createElement("h2");
  heading.textContent = event ? `${event.kind} of ${event.lane}` : "Details";
  panel.replaceChildren(heading);
  if (!event) {
    panel.append(makeParagraph("Choose an event in the lanes or in the list.", "muted"));
    return;
  }
  const virtual = event.virtual === null ? "" : `, virtual ${formatTime(event.virtual)}`;
  panel.append(makeParagraph(`real ${formatTime(event.at)}${virtual}`, "muted"));
  const summary = makeParagraph(event.text, "summary");
  summary.tabIndex = 0; // A long one scrolls, by keyboard too.
  panel.append(summary);
  for (const [title, text] of Object.entries(event.details)) {
    const label = document.createElement("h3");
    label.textContent = title;
    const body = document.createElement("pre");
    body.tabIndex = 0;
    body.setAttribute("role", "region");
    body.setAttribute("aria-label", title);
    body.textContent = formatJson(text);
    panel.append(label, body);
  }
};

const makeParagraph = (/** @type {string} */ text, /** @type {string} */ name) => {
  const paragraph = document.createElement("p");
  paragraph.className = name;
  paragraph.textContent = text;
  return paragraph;
};

/** Returns JSON with indents, any other text as it is. */
const formatJson = (/** @type {string} */ text) => {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
};
