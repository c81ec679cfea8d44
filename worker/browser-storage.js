/**
 * localStorage without exceptions. Browsers throw on any access where the user blocks site data, and on
 * writes where the quota is exceeded.
 *
 * @module
 */

/**
 * Read an item.
 *
 * @param {string} key
 * @returns {string | null | undefined} null when the item does not exist, undefined when storage is blocked
 */
export function readItem(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return undefined;
  }
}

/**
 * Remove an item.
 *
 * @param {string} key
 */
export function removeItem(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // Storage is blocked.
  }
}

/**
 * Write an item.
 *
 * @param {string} key
 * @param {string} value
 * @returns {boolean} false when storage is blocked or full
 */
export function writeItem(key, value) {
  try {
    localStorage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}
