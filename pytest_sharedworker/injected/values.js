// Encodes values for the plugin, also those that JSON cannot represent; control/values.py is the other end and
// lists the kinds.
const values = (() => {
  // Saved before the worker's script runs: replacing these must not change what a test sees.
  const { keys } = Object;
  const { Date: NativeDate, URL: NativeURL } = self;

  const encodeNumber = (/** @type {number} */ value) => {
    const isJson = Number.isFinite(value) && !Object.is(value, -0);
    return isJson ? value : { type: "number", value: Object.is(value, -0) ? "-0" : String(value) };
  };
  /**
   * @param {any} value
   * @param {Map<object, number>} seen the number of each object met so far
   * @returns {unknown} JSON
   */
  const encodeObject = (value, seen) => {
    if (value instanceof ArrayBuffer) {
      return { type: "bytes", items: Array.from(new Uint8Array(value)) };
    }
    if (seen.has(value)) {
      return { type: "reference", id: seen.get(value) };
    }
    if (typeof value.toJSON === "function") {
      return encode(value.toJSON(), seen);
    }
    const id = seen.size + 1;
    seen.set(value, id);
    /** @type {(items: Iterable<unknown>) => unknown[]} */
    const encodeAll = (items) => Array.from(items, (item) => encode(item, seen));
    if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
      return { type: "array", id, items: encodeAll(/** @type {any} */ (value)) };
    }
    if (value instanceof Set) {
      return { type: "array", id, items: encodeAll(value) };
    }
    if (value instanceof Map) {
      return { type: "map", id, entries: Array.from(value, encodeAll) };
    }
    const entries = [];
    for (const key of keys(value)) {
      let item;
      try {
        item = value[key];
      } catch {
        // A getter that throws has no value.
        continue;
      }
      entries.push([key, encode(item, seen)]);
    }
    return { type: "object", id, entries };
  };
  /**
   * @param {any} value
   * @param {Map<object, number>} seen
   * @returns {unknown} JSON
   */
  const encode = (value, seen) => {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        return encodeNumber(value);
      case "bigint":
        return { type: "bigint", value: String(value) };
      case "object":
        break;
      default:
        // undefined, a function or a symbol.
        return { type: "undefined" };
    }
    if (value === null) {
      return null;
    }
    if (value === self) {
      return `ref: <${Object.prototype.toString.call(self).slice(8, -1)}>`;
    }
    if (value instanceof NativeDate) {
      return { type: "date", ms: Number.isNaN(value.getTime()) ? null : value.getTime() };
    }
    if (value instanceof RegExp) {
      return String(value);
    }
    if (value instanceof NativeURL) {
      return { type: "url", value: value.href };
    }
    if (value instanceof Error) {
      return { type: "error", message: String(value), stack: String(value.stack || "") };
    }
    return encodeObject(value, seen);
  };

  /**
   * @param {any} wire
   * @param {Map<number, unknown>} seen
   * @returns {unknown}
   */
  const decode = (wire, seen) => {
    if (wire === null || typeof wire !== "object") {
      return wire;
    }
    switch (wire.type) {
      case "number":
        return Number(wire.value);
      case "bigint":
        return BigInt(wire.value);
      case "date":
        return new NativeDate(wire.ms);
      case "url":
        return new NativeURL(wire.value);
      case "error":
        return Object.assign(new Error(wire.message), { name: wire.name });
      case "reference":
        return seen.get(wire.id);
      case "array": {
        /** @type {unknown[]} */
        const items = [];
        seen.set(wire.id, items);
        for (const item of wire.items) {
          items.push(decode(item, seen));
        }
        return items;
      }
      case "object": {
        const object = {};
        seen.set(wire.id, object);
        for (const [key, item] of wire.entries) {
          // Assigning to "__proto__" would set the prototype.
          Object.defineProperty(object, key, {
            value: decode(item, seen), writable: true, enumerable: true, configurable: true,
          });
        }
        return object;
      }
      default:
        throw new TypeError(`unknown kind of argument: ${wire.type}`);
    }
  };

  return {
    /** @type {(value: unknown) => unknown} */
    encode: (value) => encode(value, new Map()),
    /** @type {(wire: unknown) => unknown} */
    decode: (wire) => decode(wire, new Map()),
  };
})();
