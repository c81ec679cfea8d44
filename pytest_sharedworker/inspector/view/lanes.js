// The lanes on a canvas: it stays fast with thousands of marks. The list of events beside it has the same events
// for keyboards and screen readers.
import { getTime, shortenMiddle } from "./model.js";
/** @import { EventModel, InspectorEvent, Axis } from "./model.js" */
/** @import { TimeScale } from "./scale.js" */

const ROW_HEIGHT = 30;
const AXIS_HEIGHT = 26;
const MARK_SIZE = 5;
const HIT_DISTANCE = 9;
// Marks of several kinds in one column stand above one another.
const LEVELS = [0, -8, 8];
const MAX_CONNECTORS = 400;

/** @typedef {{ x: number, y: number, event: InspectorEvent }} Mark */

// Each kind has a shape of its own: color alone would not be enough.
/** @type {Record<string, (pen: CanvasRenderingContext2D, x: number, y: number, r: number) => void>} */
const SHAPES = {
  life: (pen, x, y, r) => pen.rect(x - 1.5, y - r - 2, 3, 2 * r + 4),
  message: (pen, x, y, r) => drawPolygon(pen, [[x - r, y - r], [x + r, y], [x - r, y + r]]),
  request: (pen, x, y, r) => drawPolygon(pen, [[x - r, y + r], [x, y - r], [x + r, y + r]]),
  response: (pen, x, y, r) => drawPolygon(pen, [[x - r, y - r], [x, y + r], [x + r, y - r]]),
  socket: (pen, x, y, r) => drawPolygon(pen, [[x - r, y], [x, y - r], [x + r, y], [x, y + r]]),
  error: (pen, x, y, r) => drawPolygon(pen, [
    [x - r, y - r + 2], [x - r + 2, y - r], [x, y - 2], [x + r - 2, y - r], [x + r, y - r + 2], [x + 2, y],
    [x + r, y + r - 2], [x + r - 2, y + r], [x, y + 2], [x - r + 2, y + r], [x - r, y + r - 2], [x - 2, y],
  ]),
  storage: (pen, x, y, r) => pen.rect(x - r + 1, y - r + 1, 2 * r - 2, 2 * r - 2),
  clock: (pen, x, y, r) => drawPolygon(pen, [[x - r, y - r], [x + r, y - r], [x - r, y + r], [x + r, y + r]]),
  fault: (pen, x, y, r) => drawPolygon(pen, [
    [x + 1, y - r - 1], [x - r, y + 1], [x - 1, y + 1], [x - 1, y + r + 1], [x + r, y - 1], [x + 1, y - 1],
  ]),
};
const drawPolygon = (
  /** @type {CanvasRenderingContext2D} */ pen, /** @type {number[][]} */ points,
) => {
  points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
};
const drawShape = (
  /** @type {CanvasRenderingContext2D} */ pen, /** @type {string} */ kind,
  /** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ r,
) => {
  pen.beginPath();
  if (SHAPES[kind]) {
    SHAPES[kind](pen, x, y, r);
  } else {
    pen.arc(x, y, r - 1, 0, 2 * Math.PI);
  }
  pen.fill();
};

const readColor = (/** @type {Element} */ element, /** @type {string} */ name) => (
  getComputedStyle(element).getPropertyValue(`--${name}`).trim()
);

/** Draws the mark of a kind on a small canvas, for the legend. */
export const drawLegend = (/** @type {HTMLCanvasElement} */ canvas, /** @type {string} */ kind) => {
  const pen = canvas.getContext("2d");
  if (pen) {
    pen.setTransform(2, 0, 0, 2, 0, 0);
    pen.clearRect(0, 0, 16, 16);
    pen.fillStyle = readColor(canvas, kind);
    drawShape(pen, kind, 8, 8, MARK_SIZE);
  }
};

export class LanesCanvas {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {EventModel} model
   * @param {TimeScale} scale
   */
  constructor(canvas, model, scale) {
    this.canvas = canvas;
    this.model = model;
    this.scale = scale;
    /** @type {Axis} */
    this.axis = "real";
    /** @type {InspectorEvent | null} */
    this.selected = null;
    /** @type {Mark[]} */
    this.marks = [];
  }

  get gutter() {
    return Math.min(170, this.canvas.clientWidth * 0.28);
  }

  /** @type {(clientX: number) => number} */
  findTime(clientX) {
    const x = clientX - this.canvas.getBoundingClientRect().left - this.gutter;
    return this.scale.toTime(x, this.canvas.clientWidth - this.gutter);
  }

  /** @type {(clientX: number, clientY: number) => InspectorEvent | null} */
  findEvent(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    let best = null;
    let bestDistance = HIT_DISTANCE;
    for (const mark of this.marks) {
      const distance = Math.hypot(mark.x - (clientX - box.left), mark.y - (clientY - box.top));
      if (distance <= bestDistance) {
        best = mark.event;
        bestDistance = distance;
      }
    }
    return best;
  }

  draw() {
    const { canvas, model } = this;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = canvas.clientWidth;
    const height = AXIS_HEIGHT + ROW_HEIGHT * Math.max(1, model.lanes.length);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.blockSize = `${height}px`;
    }
    const pen = canvas.getContext("2d");
    if (!pen || !width) {
      return;
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const area = width - this.gutter;
    this.drawGrid(pen, width, height, area);
    this.layOut(area);
    pen.save();
    pen.beginPath();
    pen.rect(this.gutter, 0, area, height);
    pen.clip();
    this.drawConnectors(pen);
    for (const { x, y, event } of this.marks) {
      pen.fillStyle = readColorOnce(this.canvas, event.kind);
      drawShape(pen, event.kind, x, y, MARK_SIZE);
    }
    if (this.selected) {
      this.drawSelected(pen, this.selected, area, height);
    }
    pen.restore();
    colors.clear();
  }

  /** @type {(pen: CanvasRenderingContext2D, width: number, height: number, area: number) => void} */
  drawGrid(pen, width, height, area) {
    const { model, scale, gutter } = this;
    const line = readColorOnce(this.canvas, "line");
    pen.fillStyle = readColorOnce(this.canvas, "muted");
    pen.strokeStyle = line;
    pen.lineWidth = 1;
    pen.textAlign = "center";
    const ticks = scale.listTicks(area);
    const digits = ticks.length > 1 ? Math.max(0, Math.min(3, Math.ceil(3 - Math.log10(ticks[1] - ticks[0])))) : 3;
    for (const time of ticks) {
      const x = Math.round(gutter + scale.toX(time, area)) + 0.5;
      pen.beginPath();
      pen.moveTo(x, AXIS_HEIGHT - 4);
      pen.lineTo(x, height);
      pen.stroke();
      if (x > gutter + 20 && x < width - 20) {
        pen.fillText(`${(time / 1000).toFixed(digits)} s`, x, AXIS_HEIGHT / 2);
      }
    }
    pen.textAlign = "left";
    model.lanes.forEach((lane, index) => {
      const y = AXIS_HEIGHT + index * ROW_HEIGHT;
      pen.strokeStyle = line;
      pen.beginPath();
      pen.moveTo(0, y + 0.5);
      pen.lineTo(width, y + 0.5);
      pen.stroke();
      pen.fillStyle = readColorOnce(this.canvas, "text");
      pen.fillText(fitText(pen, lane, gutter - 14), 6, y + ROW_HEIGHT / 2);
    });
  }

  /** @type {(area: number) => void} Places the marks; of several of one kind in one column, the last. */
  layOut(area) {
    const { model, scale, gutter } = this;
    const rows = new Map(model.lanes.map((lane, index) => [lane, AXIS_HEIGHT + (index + 0.5) * ROW_HEIGHT]));
    /** @type {Map<string, Mark>} */
    const places = new Map();
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const event of model.shown) {
      const x = gutter + scale.toX(getTime(event, this.axis), area);
      if (x >= gutter - MARK_SIZE && x <= gutter + area + MARK_SIZE) {
        const middle = rows.get(event.lane) ?? 0;
        const column = `${Math.round(x / MARK_SIZE)} ${middle}`;
        const known = places.get(`${column} ${event.kind}`);
        const count = counts.get(column) ?? 0;
        const y = known ? known.y : middle + LEVELS[count % LEVELS.length];
        if (!known) {
          counts.set(column, count + 1);
        }
        places.set(`${column} ${event.kind}`, { x: known ? known.x : x, y, event });
      }
    }
    this.marks = [...places.values()];
  }

  /** @type {(pen: CanvasRenderingContext2D) => void} Joins the marks of one exchange. */
  drawConnectors(pen) {
    /** @type {Map<string, Mark>} */
    const last = new Map();
    let count = 0;
    pen.strokeStyle = readColorOnce(this.canvas, "connector");
    pen.lineWidth = 1;
    for (const mark of this.marks) {
      const { link } = mark.event;
      if (!link || !link.startsWith("#")) continue;
      const before = last.get(link);
      if (before && count < MAX_CONNECTORS) {
        count += 1;
        pen.beginPath();
        pen.moveTo(before.x, before.y);
        pen.lineTo(mark.x, mark.y);
        pen.stroke();
      }
      last.set(link, mark);
    }
  }

  /** @type {(pen: CanvasRenderingContext2D, event: InspectorEvent, area: number, height: number) => void} */
  drawSelected(pen, event, area, height) {
    const mark = this.marks.find((each) => each.event === event);
    const x = mark?.x ?? this.gutter + this.scale.toX(getTime(event, this.axis), area);
    const y = mark?.y ?? AXIS_HEIGHT + (this.model.lanes.indexOf(event.lane) + 0.5) * ROW_HEIGHT;
    pen.strokeStyle = readColorOnce(this.canvas, "accent");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, AXIS_HEIGHT);
    pen.lineTo(x, height);
    pen.stroke();
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, MARK_SIZE + 4, 0, 2 * Math.PI);
    pen.stroke();
  }
}

/** @type {Map<string, string>} Colors of one drawing: reading a style is slow. */
const colors = new Map();
const readColorOnce = (/** @type {Element} */ element, /** @type {string} */ name) => {
  const known = colors.get(name) ?? readColor(element, name);
  colors.set(name, known);
  return known;
};

const fitText = (
  /** @type {CanvasRenderingContext2D} */ pen, /** @type {string} */ text, /** @type {number} */ width,
) => {
  if (pen.measureText(text).width <= width) {
    return text;
  }
  let length = Math.min(60, text.length - 1);
  while (length > 1 && pen.measureText(shortenMiddle(text, length)).width > width) {
    length -= 1;
  }
  return shortenMiddle(text, length);
};
