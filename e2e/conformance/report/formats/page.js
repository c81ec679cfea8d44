// Filters of the report's page. Without this script the page shows every case.
//
// The groups of the form are combined: a case is shown if one cell of it fits all of them. In a group of
// boxes, none means any. The address has the state behind "#?", so that a link shows the same cases; every
// other fragment is a permanent link to a case.

const STATE_PREFIX = "#?";
const ADDRESS_DELAY_MS = 200; // Browsers limit how often a page changes its address.

/** @type {HTMLFormElement | null} */
const form = document.querySelector("form.filter");

/**
 * @typedef {{ element: HTMLElement, implementation: string, words: string[], change: string,
 *             text: string }} Cell
 * @typedef {{ element: HTMLElement, anchor: string, level: string, family: string, passes: boolean,
 *             text: string, cells: Cell[] }} Row
 */

/** @type {(selector: string, parent?: ParentNode) => HTMLElement[]} */
const find = (selector, parent = document) => [...parent.querySelectorAll(selector)].filter(isElement);

/** @type {(element: Element) => element is HTMLElement} */
const isElement = (element) => element instanceof HTMLElement;

// Text as it is searched: case, width and composition of letters do not matter.
/** @type {(text: string | null | undefined) => string} */
const fold = (text) => (text ?? "").normalize("NFKC").toLowerCase();

/** @type {(cell: HTMLElement) => Cell} */
const readCell = (cell) => {
  const { implementation = "", verdict = "", change = "", panel } = cell.dataset;
  const fields = panel === undefined ? null : document.getElementById(panel)?.querySelector("dl");
  return { element: cell, implementation, words: verdict.split(","), change, text: fold(fields?.textContent) };
};

/** @type {(row: HTMLElement) => Row} */
const readRow = (row) => {
  const header = row.querySelector("th");
  return {
    element: row,
    anchor: header?.id ?? "",
    level: row.dataset.level ?? "",
    family: row.dataset.family ?? "",
    passes: row.classList.contains("passes"),
    text: fold(`${header?.querySelector(".id")?.textContent} ${header?.querySelector(".requirement")?.textContent}`),
    cells: find("td", row).map(readCell),
  };
};

/** @type {(form: HTMLFormElement) => URLSearchParams} */
const readForm = (form) => {
  const state = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string" && value.trim() !== "") state.append(name, value);
  }
  return state;
};

/** @type {(form: HTMLFormElement, state: URLSearchParams) => void} */
const fillForm = (form, state) => {
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement && field.type === "checkbox") {
      field.checked = state.getAll(field.name).includes(field.value);
    } else if (field instanceof HTMLInputElement) {
      field.value = state.get(field.name) ?? "";
    } else if (field instanceof HTMLSelectElement) {
      const wanted = state.get(field.name) ?? "";
      field.value = [...field.options].some(({ value }) => value === wanted) ? wanted : "";
    }
  }
};

/** @type {(form: HTMLFormElement) => void} */
const install = (form) => {
  const rows = find("tr[data-level]").map(readRow);
  const status = form.querySelector("[role=status]");
  let timer = 0;

  /** @type {(state: URLSearchParams, name: string) => (value: string) => boolean} */
  const wanted = (state, name) => {
    const values = new Set(state.getAll(name));
    return (value) => values.size === 0 || values.has(value);
  };

  const show = () => {
    const state = readForm(form);
    const terms = fold(state.get("text")).split(/\s+/).filter(Boolean);
    const isLevel = wanted(state, "level");
    const isFamily = wanted(state, "family");
    const isImplementation = wanted(state, "implementation");
    const isVerdict = wanted(state, "verdict");
    const isChange = wanted(state, "change");
    const shown = new Set();
    for (const row of rows) {
      const fits =
        isLevel(row.level) &&
        isFamily(row.family) &&
        !(state.has("only") && row.passes) &&
        row.cells.some(
          (cell) =>
            isImplementation(cell.implementation) &&
            cell.words.some(isVerdict) &&
            isChange(cell.change) &&
            terms.every((term) => row.text.includes(term) || cell.text.includes(term)),
        );
      row.element.hidden = !fits;
      if (fits) shown.add(row.anchor);
    }
    for (const cell of find("[data-implementation]")) {
      const fits = isImplementation(cell.dataset.implementation ?? "");
      cell.hidden = !fits || ("case" in cell.dataset && !shown.has(cell.dataset.case));
    }
    for (const section of find(".cases tbody, .cases, .failures")) {
      section.hidden = !find("tr[data-level], li", section).some((each) => !each.hidden);
    }
    if (status) {
      const count = `${shown.size} of ${rows.length} cases`;
      status.textContent = shown.size ? count : `${count}: no case fits`;
    }
    for (const button of find("button[type=reset]", form)) {
      button.hidden = state.size === 0;
    }
    return state;
  };

  const change = () => {
    const state = String(show());
    clearTimeout(timer);
    timer = setTimeout(() => {
      history.replaceState(null, "", state ? STATE_PREFIX + state : location.pathname + location.search);
    }, ADDRESS_DELAY_MS);
  };

  const readAddress = () => {
    clearTimeout(timer);
    const { hash } = location;
    if (hash === "" || hash.startsWith(STATE_PREFIX)) {
      fillForm(form, new URLSearchParams(hash.slice(STATE_PREFIX.length)));
      show();
      return;
    }
    // A link to a case, or to a case on one implementation, shows it whatever the filters are.
    const target = document.getElementById(hash.slice(1));
    const row = target?.popover ? document.querySelector(`[data-panel="${target.id}"]`) : target;
    if (row?.closest("[hidden]")) {
      fillForm(form, new URLSearchParams());
      show();
    }
    row?.scrollIntoView({ block: target?.popover ? "center" : "start" });
    if (target?.popover) {
      target.showPopover();
    }
  };

  form.addEventListener("input", change);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault(); // A browser may restore other values than those of an empty form.
    fillForm(form, new URLSearchParams());
    change();
    form.querySelector("input")?.focus();
  });
  addEventListener("hashchange", readAddress);
  for (const part of find(".choices", form)) {
    part.hidden = false;
  }
  // A page that is loaded again keeps what stood in its fields; the address says what is shown.
  fillForm(form, new URLSearchParams());
  show();
  readAddress();
};

if (form) install(form);
