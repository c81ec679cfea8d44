// The inspector of a running test.
import { connect } from "./live.js";
import { createControls } from "./controls.js";
import { createView, getElement } from "./view.js";

const view = createView();
const controls = createControls();
connect({
  onBatch: ({ events, lost }) => view.add(events, lost),
  onState: controls.show,
  onConnection: (text) => { getElement("connection", HTMLElement).textContent = text; },
});
