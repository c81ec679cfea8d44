// Replaces functions of the browser so that scripts do not notice. A Proxy keeps the native function's name,
// length and prototype, and whether it can be called with `new`; the property keeps its place and its attributes.
// The text of a Proxy has no name, so that `Function.prototype.toString` looks behind it. Each replacement gets the
// native function first, to call as `native(self, args)`: it also throws what the browser throws for a wrong
// receiver or missing arguments. A function that the script declares has taken the place of the browser's before
// anything runs, and stays.

/** @typedef {(self: any, args: any[]) => any} NativeCall */

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

  return {
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
