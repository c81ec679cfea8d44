// The events that the page keeps, in chronological order, and those that the filters let through.

/** How many events the page keeps; of more, the newest. The server keeps as many. */
export const MAX_EVENTS = 20_000;

export const KINDS = /** @type {const} */ (
  ["life", "message", "request", "response", "socket", "console", "error", "storage", "clock", "fault"]
);

/**
 * @typedef {object} InspectorEvent
 * @property {number} at real ms since the test's start
 * @property {number | null} virtual ms of the test's virtual time, where it is known
 * @property {string} kind
 * @property {string} lane
 * @property {string} text
 * @property {Record<string, string>} details
 * @property {string} [link] the same for the events of one exchange or port
 * @property {number} [shownVirtual] `virtual`, else that of the latest event before
 */

/** @typedef {"real" | "virtual"} Axis */

// The lanes from top to bottom: the test, tabs, workers, the gateway, the server; others in between.
const LANE_ORDER = ["test", "tab", "worker", "gateway", "server"];
const rankLane = (/** @type {string} */ lane) => {
  const rank = LANE_ORDER.findIndex((begin) => lane.startsWith(begin));
  return rank < 0 ? 2 : rank;
};

// "tab 2" before "tab 10".
const compareNames = new Intl.Collator("en", { numeric: true }).compare;

export class EventModel {
  constructor() {
    /** @type {InspectorEvent[]} */
    this.events = [];
    /** @type {InspectorEvent[]} */
    this.shown = [];
    /** @type {string[]} */
    this.lanes = [];
    this.lost = 0;
    /** @type {Set<string>} */
    this.hiddenKinds = new Set();
    this.text = "";
  }

  /** @type {(events: InspectorEvent[], lost?: number) => void} */
  add(events, lost = 0) {
    this.lost += lost;
    const last = this.events.at(-1);
    this.events.push(...events);
    if (last && events.some(({ at }) => at < last.at)) {
      this.events.sort((a, b) => a.at - b.at);
    }
    const surplus = this.events.length - MAX_EVENTS;
    if (surplus > 0) {
      this.events.splice(0, surplus);
      this.lost += surplus;
    }
    const names = new Set(this.lanes);
    for (const { lane } of events) {
      names.add(lane);
    }
    if (names.size !== this.lanes.length) {
      this.lanes = [...names].sort((a, b) => rankLane(a) - rankLane(b) || compareNames(a, b));
    }
    let virtual = 0;
    for (const event of this.events) {
      virtual = Math.max(virtual, event.virtual ?? 0);
      event.shownVirtual = event.virtual ?? virtual;
    }
    this.filter();
  }

  filter() {
    const wanted = this.text.toLowerCase();
    this.shown = this.events.filter((event) => !this.hiddenKinds.has(event.kind)
      && (!wanted || event.text.toLowerCase().includes(wanted) || event.lane.toLowerCase().includes(wanted)));
  }
}

/** @type {(event: InspectorEvent, axis: Axis) => number} */
export const getTime = (event, axis) => (axis === "real" ? event.at : event.shownVirtual ?? 0);

/** Returns a time in seconds, as `12.345 s`. */
export const formatTime = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(3)} s`;

/** Returns the text of an event without the title of its lane, which stands beside it. */
export const shortenText = (/** @type {InspectorEvent} */ { text, lane }) => {
  const line = text.split("\n", 1)[0];
  const title = `${lane.replace(/ \(\d+\)$/, "")} `; // The second worker of a title is "title (2)".
  const [number = ""] = /^#\d+ /.exec(line) ?? [];
  return line.startsWith(title, number.length) ? number + line.slice(number.length + title.length) : line;
};

/** Returns a text of at most `length` characters: the middle is left out, for the end tells lanes apart. */
export const shortenMiddle = (/** @type {string} */ text, /** @type {number} */ length) => {
  const tail = Math.floor((length - 1) / 2);
  return text.length > length ? `${text.slice(0, length - 1 - tail)}…${text.slice(text.length - tail)}` : text;
};
