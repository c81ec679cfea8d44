/**
 * Random UUIDs without `crypto.randomUUID`, which plain-HTTP origins other than localhost do not have.
 *
 * @module
 */

/**
 * Makes a version 4 UUID (RFC 9562, section 5.4).
 *
 * @returns {string} 36 characters, lower case
 */
export function createUuid() {
  // x is any digit; y carries the variant in its upper two bits.
  return "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".replace(/[xy]/g, (place) => {
    const digit = crypto.getRandomValues(new Uint8Array(1))[0] & 15;
    return (place === "x" ? digit : (digit & 3) | 8).toString(16);
  });
}
