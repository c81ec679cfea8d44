/**
 * The browser's own opt-out: Global Privacy Control.
 *
 * @module
 */

/**
 * Return whether the user has enabled Global Privacy Control in the browser. Works in pages and workers.
 *
 * @returns {boolean | undefined} undefined where the browser does not support it
 */
export function hasGlobalPrivacyControl() {
  return /** @type {{globalPrivacyControl?: boolean}} */ (navigator).globalPrivacyControl;
}
