// The list of events: only the rows that are in view exist. The list has the focus; arrows select, Enter opens.
import { formatTime, getTime, shortenMiddle, shortenText } from "./model.js";
/** @import { EventModel, InspectorEvent, Axis } from "./model.js" */

const LIST_ROW_HEIGHT = 26;
const SPARE_ROWS = 8;
const LANE_LENGTH = 24;

export class EventList {
  /**
   * @param {HTMLElement} list
   * @param {EventModel} model
   * @param {{ onSelect: (event: InspectorEvent) => void, onOpen: () => void }} handlers
   */
  constructor(list, model, handlers) {
    this.list = list;
    this.model = model;
    this.handlers = handlers;
    /** @type {Axis} */
    this.axis = "real";
    /** @type {InspectorEvent | null} */
    this.selected = null;
    this.isFollowing = true;
    this.isRevealing = false; // A filter has changed: the selected event may stand elsewhere.
    this.rows = document.createElement("div");
    this.rows.className = "rows";
    this.rows.setAttribute("role", "presentation");
    list.append(this.rows);
    list.addEventListener("scroll", () => {
      this.isFollowing = list.scrollTop + list.clientHeight > list.scrollHeight - 2 * LIST_ROW_HEIGHT;
      this.draw();
    });
    list.addEventListener("keydown", (event) => this.onKey(event));
    list.addEventListener("click", ({ target }) => {
      const row = target instanceof Element ? target.closest("[role=option]") : null;
      const chosen = row && this.model.shown[Number(row.getAttribute("aria-posinset")) - 1];
      if (chosen) {
        this.select(chosen);
      }
    });
  }

  /** @type {(event: KeyboardEvent) => void} */
  onKey(event) {
    const { shown } = this.model;
    const index = this.selected ? shown.indexOf(this.selected) : -1;
    const page = Math.max(1, Math.floor(this.list.clientHeight / LIST_ROW_HEIGHT) - 1);
    /** @type {Record<string, number>} */
    const targets = {
      ArrowDown: index + 1, ArrowUp: index < 0 ? shown.length - 1 : index - 1, PageDown: index + page,
      PageUp: index - page, Home: 0, End: shown.length - 1, ArrowRight: this.findInLane(index, 1),
      ArrowLeft: this.findInLane(index, -1),
    };
    if (event.key === "Enter" && this.selected) {
      event.preventDefault();
      this.handlers.onOpen();
    } else if (event.key in targets && shown.length) {
      event.preventDefault();
      this.select(shown[Math.max(0, Math.min(shown.length - 1, targets[event.key]))]);
    }
  }

  /** @type {(index: number, step: number) => number} The next event of the same lane. */
  findInLane(index, step) {
    const { shown } = this.model;
    for (let next = index + step; index >= 0 && next >= 0 && next < shown.length; next += step) {
      if (shown[next].lane === shown[index].lane) {
        return next;
      }
    }
    return Math.max(0, index);
  }

  /** @type {(event: InspectorEvent) => void} */
  select(event) {
    this.selected = event;
    this.reveal(this.model.shown.indexOf(event));
    this.handlers.onSelect(event);
    this.draw();
  }

  /** @type {(index: number) => void} */
  reveal(index) {
    const top = index * LIST_ROW_HEIGHT;
    if (index >= 0 && top < this.list.scrollTop) {
      this.list.scrollTop = top;
    } else if (index >= 0 && top + LIST_ROW_HEIGHT > this.list.scrollTop + this.list.clientHeight) {
      this.list.scrollTop = top + LIST_ROW_HEIGHT - this.list.clientHeight;
    }
  }

  draw() {
    const { list, rows, model } = this;
    const { shown } = model;
    rows.style.blockSize = `${shown.length * LIST_ROW_HEIGHT}px`;
    if (this.isFollowing && !this.selected) {
      list.scrollTop = list.scrollHeight;
    }
    if (this.isRevealing && this.selected) {
      this.reveal(shown.indexOf(this.selected));
    }
    this.isRevealing = false;
    const size = Math.ceil(list.clientHeight / LIST_ROW_HEIGHT) + 2 * SPARE_ROWS;
    // A filter may have left fewer rows than the list was scrolled by.
    const top = Math.min(list.scrollTop, shown.length * LIST_ROW_HEIGHT - list.clientHeight);
    const first = Math.max(0, Math.floor(top / LIST_ROW_HEIGHT) - SPARE_ROWS);
    const last = Math.min(shown.length, first + size);
    while (rows.children.length > last - first) {
      rows.lastElementChild?.remove();
    }
    let active = "";
    for (let index = first; index < last; index += 1) {
      const row = rows.children[index - first] ?? rows.appendChild(makeRow(index - first));
      if (row instanceof HTMLElement) {
        fillRow(row, shown[index], index, shown.length, shown[index] === this.selected, this.axis);
        active = shown[index] === this.selected ? row.id : active;
      }
    }
    if (active) {
      list.setAttribute("aria-activedescendant", active);
    } else {
      list.removeAttribute("aria-activedescendant");
    }
  }
}

const makeRow = (/** @type {number} */ number) => {
  const row = document.createElement("div");
  row.id = `event-${number}`;
  row.setAttribute("role", "option");
  for (const name of ["time", "kind", "lane", "text"]) {
    const cell = document.createElement("span");
    cell.className = name;
    row.append(cell);
  }
  return row;
};

/** @type {(row: HTMLElement, event: InspectorEvent, index: number, size: number, isSelected: boolean, axis: Axis) => void} */
const fillRow = (row, event, index, size, isSelected, axis) => {
  const [time, kind, lane, text] = /** @type {HTMLElement[]} */ ([...row.children]);
  row.style.insetBlockStart = `${index * LIST_ROW_HEIGHT}px`;
  row.dataset.kind = event.kind;
  row.setAttribute("aria-selected", String(isSelected));
  row.setAttribute("aria-posinset", String(index + 1));
  row.setAttribute("aria-setsize", String(size));
  time.textContent = formatTime(getTime(event, axis));
  kind.textContent = event.kind;
  lane.textContent = shortenMiddle(event.lane, LANE_LENGTH);
  text.textContent = shortenText(event);
};
