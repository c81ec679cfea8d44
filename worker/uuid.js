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
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40; // the version
  bytes[8] = (bytes[8] & 0x3f) | 0x80; // the variant
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
