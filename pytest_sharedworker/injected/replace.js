// Replaces functions of the browser so that scripts do not notice. A Proxy keeps the native function's name,
// length and prototype, and whether it can be called with `new`; the property keeps its place and its attributes.
// The text of a Proxy has no name, so that `Function.prototype.toString` looks behind it. Each replacement gets the
// native function first, to call as `native(self, args)`: it also throws what the browser throws for a wrong
// receiver or missing arguments. A function that the script declares has taken the place of the browser's before
// anything runs, and stays.

/** @typedef {(self: any, args: any[]) => any} NativeCall */

// What the parts call later is what the browser has now: a script that replaces it does not see their calls.
const { listen, then } = (() => {
  const { apply } = Reflect;
  const { addEventListener } = EventTarget.prototype;
  const { then: nativeThen } = Promise.prototype;
  return {
    /**
     * @param {EventTarget} target
     * @param {[type: string, act: (event: any) => unknown, options?: AddEventListenerOptions | boolean]} args
     */
    listen: (target, ...args) => apply(addEventListener, target, args),
    /**
     * @template Value, Result
     * @param {Promise<Value>} promise
     * @param {[ok: (value: Value) => Result, failed: (error: any) => Result]} args
     * @returns {Promise<Result>}
     */
    then: (promise, ...args) => apply(nativeThen, promise, args),
  };
})();

/**
 * Returns what to pass to the browser in place of a dictionary that the plugin reads, too. Both read each member once:
 * a getter may return something else the next time.
 *
 * @param {any} dictionary
 * @param {Record<PropertyKey, unknown>} [defaults] for members that are undefined
 * @returns {any} the same if it is no object
 */
const readOnce = (dictionary, defaults = {}) => {
  if (dictionary === null || !["object", "function"].includes(typeof dictionary)) {
    return dictionary;
  }
  /** @type {Map<PropertyKey, unknown>} */
  const members = new Map();
  return new Proxy({}, {
    get: (_, name) => {
      if (!members.has(name)) {
        const value = dictionary[name];
        members.set(name, value === undefined ? defaults[name] : value);
      }
      return members.get(name);
    },
  });
};
/**
 * Converts the first arguments to text, once: an object may return another text the next time.
 *
 * @param {any[]} args
 * @param {number} count
 */
const toTexts = (args, count) => args.map((each, index) => (index < count ? `${each}` : each));
/**
 * Returns what a call of `postMessage` transfers.
 *
 * @param {any} options its second argument
 * @returns {any[]}
 */
const listTransferred = (options) => {
  const transferred = Array.isArray(options) ? options : options?.transfer;
  return Array.isArray(transferred) ? transferred : [];
};

const replace = (() => {
  const { apply, construct, defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;
  const nativeText = Function.prototype.toString;
  const NATIVE_CODE = /\{\s*\[native code\]\s*\}\s*$/;
  const isNative = (/** @type {unknown} */ value) => (
    typeof value === "function" && NATIVE_CODE.test(apply(nativeText, value, []))
  );
  /** What stands behind each replacement. @type {WeakMap<object, object>} */
  const natives = new WeakMap();

  /**
   * Returns the object of a prototype chain that has the property itself.
   *
   * @param {any} object
   * @param {PropertyKey} name
   */
  const findOwner = (object, name) => {
    let owner = object;
    while (owner && !getOwnPropertyDescriptor(owner, name)) {
      owner = getPrototypeOf(owner);
    }
    return owner;
  };
  /**
   * @param {"value" | "get" | "set"} kind
   * @param {any} object
   * @param {PropertyKey} name
   * @param {(native: NativeCall, self: any, args: any[]) => unknown} act
   */
  const replaceFunction = (kind, object, name, act) => {
    const owner = findOwner(object, name);
    const descriptor = owner && getOwnPropertyDescriptor(owner, name);
    const native = descriptor?.[kind];
    if (!isNative(native)) {
      return;
    }
    /** @type {NativeCall} */
    const call = (self, args) => apply(native, self, args);
    const value = new Proxy(native, { apply: (_, self, args) => act(call, self, args) });
    natives.set(value, natives.get(native) ?? native);
    defineProperty(owner, name, { ...descriptor, [kind]: value });
  };

  replaceFunction("value", Function.prototype, "toString", (native, self, args) => (
    native(natives.get(self) ?? self, args)
  ));

  /** The plugin's own properties of the global object, which no list of its properties shows. @type {Set<PropertyKey>} */
  const ownKeys = new Set();
  for (const [owner, name] of /** @type {[any, string][]} */ ([[Object, "getOwnPropertySymbols"], [Reflect, "ownKeys"]])) {
    replaceFunction("value", owner, name, (native, receiver, args) => {
      const keys = native(receiver, args);
      return args[0] === self ? keys.filter((/** @type {PropertyKey} */ key) => !ownKeys.has(key)) : keys;
    });
  }
  replaceFunction("value", Object, "getOwnPropertyDescriptors", (native, receiver, args) => {
    const descriptors = native(receiver, args);
    if (args[0] === self) {
      ownKeys.forEach((key) => delete descriptors[key]);
    }
    return descriptors;
  });

  return {
    /**
     * Defines a property of the global object that scripts do not notice.
     *
     * @param {symbol} key
     * @param {unknown} value
     */
    addOwn: (key, value) => {
      ownKeys.add(key);
      defineProperty(self, key, { value });
    },
    /** @type {(object: any, name: PropertyKey, act: (native: NativeCall, self: any, args: any[]) => unknown) => void} */
    method: (object, name, act) => replaceFunction("value", object, name, act),
    /** @type {(object: any, name: PropertyKey, act: (native: NativeCall, self: any) => unknown) => void} */
    getter: (object, name, act) => replaceFunction("get", object, name, act),
    /** @type {(object: any, name: PropertyKey, act: (native: NativeCall, self: any, args: any[]) => void) => void} */
    setter: (object, name, act) => replaceFunction("set", object, name, act),
    /**
     * Gives a replaced method its second name, which is a property of its own.
     *
     * @param {any} object
     * @param {PropertyKey} alias
     * @param {PropertyKey} name
     */
    alias: (object, alias, name) => {
      const descriptor = object && getOwnPropertyDescriptor(object, alias);
      if (descriptor) {
        defineProperty(object, alias, { ...descriptor, value: object[name] });
      }
    },
    /**
     * @param {any} object has the constructor, if the browser has it
     * @param {string} name
     * @param {(create: (args: any[]) => any, args: any[]) => object} act
     * @param {() => unknown} [call] what a call without `new` returns, if that is allowed
     */
    constructor: (object, name, act, call) => {
      const descriptor = getOwnPropertyDescriptor(object, name);
      const native = descriptor?.value;
      if (!isNative(native)) {
        return;
      }
      const value = new Proxy(native, {
        construct: (target, args, newTarget) => act((changed) => construct(target, changed, newTarget), args),
        ...(call ? { apply: call } : {}),
      });
      natives.set(value, natives.get(native) ?? native);
      defineProperty(object, name, { ...descriptor, value });
      defineProperty(native.prototype, "constructor", {
        ...getOwnPropertyDescriptor(native.prototype, "constructor"), value,
      });
    },
  };
})();
