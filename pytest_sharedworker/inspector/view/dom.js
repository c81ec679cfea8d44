// Makes elements. Text is always text: what the app under test writes is never markup.

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

/** @type {(text: string, onClick: () => void, label?: string) => HTMLButtonElement} */
export const makeButton = (text, onClick, label = "") => {
  const button = make("button", { type: "button", ...(label ? { "aria-label": label } : {}) }, text);
  button.addEventListener("click", onClick);
  return button;
};

/**
 * Shows one element for each item, and keeps those of items that stay, with their focus and what was typed.
 *
 * @template T
 * @param {HTMLElement} parent
 * @param {T[]} items
 * @param {(item: T) => string} getKey
 * @param {(item: T) => { element: HTMLElement, update: (item: T) => void }} create
 */
export const showItems = (parent, items, getKey, create) => {
  /** @type {Map<string, { element: HTMLElement, update: (item: T) => void }>} */
  const known = kept.get(parent) ?? new Map();
  const keys = new Set(items.map(getKey));
  for (const [key, { element }] of known) {
    if (!keys.has(key)) {
      element.remove();
      known.delete(key);
    }
  }
  for (const item of items) {
    const shown = known.get(getKey(item)) ?? create(item);
    if (!shown.element.isConnected) {
      parent.append(shown.element);
    }
    known.set(getKey(item), shown);
    shown.update(item);
  }
  kept.set(parent, known);
};
/** @type {WeakMap<HTMLElement, Map<string, any>>} */
const kept = new WeakMap();
