// Turns what a worker writes to the console into text: JSON where a value has one, else the notation of
// developer tools. It calls no getter and no `toJSON`: as without the plugin, nobody reads them.
const formatConsoleText = (() => {
  const MAX_DEPTH = 20;
  const MAX_VALUES = 10_000;
  const { getOwnPropertyDescriptor, getPrototypeOf, keys } = Object;
  const { isArray } = Array;
  /** @typedef {{ left: number, path: object[] }} State values that may follow, and the objects around this one */

  const quote = (/** @type {string} */ text) => JSON.stringify(text);
  /** @type {(object: object) => string} the name of its class, "" for an object literal */
  const nameClass = (object) => {
    const prototype = getPrototypeOf(object);
    if (prototype === null || prototype === Object.prototype) {
      return "";
    }
    const made = getOwnPropertyDescriptor(prototype, "constructor")?.value;
    return typeof made === "function" && typeof made.name === "string" ? made.name : "";
  };
  /** @type {(object: object, key: PropertyKey, state: State) => string} */
  const inspectProperty = (object, key, state) => {
    const descriptor = getOwnPropertyDescriptor(object, key);
    if (!descriptor) {
      return "empty";
    }
    return descriptor.get || descriptor.set ? "[Getter]" : inspect(descriptor.value, state);
  };
  /** @type {(items: Iterable<unknown>, write: (item: any) => string, state: State) => string} */
  const list = (items, write, state) => {
    const texts = [];
    for (const item of items) {
      if (state.left <= 0) {
        texts.push("…");
        break;
      }
      texts.push(write(item));
    }
    return texts.join(",");
  };
  /** @type {(object: any, state: State) => string} */
  const inspectObject = (object, state) => {
    if (object instanceof Error || object instanceof RegExp || object instanceof URL) {
      return String(object);
    }
    if (object instanceof Date) {
      return Number.isNaN(object.valueOf()) ? "Invalid Date" : object.toISOString();
    }
    if (isArray(object)) {
      return `[${list(Array(object.length).keys(), (index) => inspectProperty(object, index, state), state)}]`;
    }
    if (object instanceof Map) {
      const entries = list(object, ([key, value]) => `${inspect(key, state)} => ${inspect(value, state)}`, state);
      return `Map(${object.size}) {${entries}}`;
    }
    if (object instanceof Set) {
      return `Set(${object.size}) {${list(object, (value) => inspect(value, state), state)}}`;
    }
    if (object instanceof ArrayBuffer) {
      return `ArrayBuffer(${object.byteLength})`;
    }
    const name = nameClass(object);
    if (ArrayBuffer.isView(object) && !(object instanceof DataView)) {
      const items = /** @type {any} */ (object);
      return `${name}(${items.length}) [${list(items, (item) => inspect(item, state), state)}]`;
    }
    const write = (/** @type {string} */ key) => `${quote(key)}:${inspectProperty(object, key, state)}`;
    return `${name && `${name} `}{${list(keys(object), write, state)}}`;
  };
  /** @type {(value: any, state: State) => string} */
  const inspect = (value, state) => {
    state.left -= 1;
    if (typeof value === "string") {
      return quote(value);
    }
    if (typeof value === "bigint") {
      return `${value}n`;
    }
    if (typeof value === "function") {
      return `[Function: ${value.name || "anonymous"}]`;
    }
    if (value === null || typeof value !== "object") {
      return Object.is(value, -0) ? "-0" : String(value);
    }
    if (state.path.includes(value)) {
      return "[Circular]";
    }
    if (state.path.length >= MAX_DEPTH) {
      return "…";
    }
    state.path.push(value);
    const text = inspectObject(value, state);
    state.path.pop();
    return text;
  };
  /** @type {(value: unknown) => string} */
  const format = (value) => {
    if (typeof value === "string") {
      return value;
    }
    try {
      if (value instanceof Error) {
        return value.stack && value.stack.includes(value.message) ? value.stack : String(value);
      }
      return typeof value === "function" ? String(value) : inspect(value, { left: MAX_VALUES, path: [] });
    } catch {
      // A proxy, or an object that is no longer what its class says.
      return `[${typeof value}]`;
    }
  };
  return (/** @type {unknown[]} */ values) => values.map(format).join(" ");
})();
