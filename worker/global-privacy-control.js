/**
 * What the browser itself says about privacy.
 *
 * @module
 */

/**
 * Whether the person told the browser that nothing may be collected (Global Privacy Control). In pages and workers.
 *
 * @returns {boolean}
 */
export function isOptedOutByBrowser() {
  return /** @type {{globalPrivacyControl?: boolean}} */ (navigator).globalPrivacyControl === true;
}
