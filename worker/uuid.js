/**
 * Random UUIDs without `crypto.randomUUID`, which is missing on plain-HTTP origins other than localhost.
 *
 * @module
 */

/**
 * Create a version 4 UUID (RFC 9562, section 5.4).
 *
 * @returns {string} 36 characters, lower case
 */
export function createUuid() {
  // x is any hex digit; y carries the variant in its upper two bits.
  return "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".replace(/[xy]/g, (placeholder) => {
    const digit = crypto.getRandomValues(new Uint8Array(1))[0] & 15;
    return (placeholder === "x" ? digit : (digit & 3) | 8).toString(16);
  });
}
