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
  // x is any hex digit. Of the variant's four digits one is as good as the others: 120 bits are random.
  return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () =>
    (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16),
  );
}
