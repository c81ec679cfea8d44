/**
 * localStorage that never throws: browsers refuse it where a person blocks site data, and refuse
 * writing where the quota is used up.
 *
 * @module
 */

/**
 * @param {string} key
 * @returns {string | null | undefined} null when there is none, undefined when storage is refused
 */
export function readItem(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return undefined;
  }
}

/**
 * @param {string} key
 * @param {string} value
 * @returns {boolean} whether it was stored
 */
export function writeItem(key, value) {
  try {
    localStorage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}
