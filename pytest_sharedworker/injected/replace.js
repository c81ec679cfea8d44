// Replaces functions of the browser so that scripts do not notice. A Proxy keeps the native function's name,
// length, text and prototype, and whether it can be called with `new`; the property keeps its place and its
// attributes. Each replacement gets the native function first, to call as `native(self, args)`: it also throws
// what the browser throws for a wrong receiver or missing arguments.

/** @typedef {(self: any, args: any[]) => any} NativeCall */

const replace = (() => {
  const { apply, construct, defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;

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
    if (!native) {
      return;
    }
    /** @type {NativeCall} */
    const call = (self, args) => apply(native, self, args);
    const value = new Proxy(native, { apply: (_, self, args) => act(call, self, args) });
    defineProperty(owner, name, { ...descriptor, [kind]: value });
  };

  return {
    /** @type {(object: any, name: PropertyKey, act: (native: NativeCall, self: any, args: any[]) => unknown) => void} */
    method: (object, name, act) => replaceFunction("value", object, name, act),
    /** @type {(object: any, name: PropertyKey, act: (native: NativeCall, self: any) => unknown) => void} */
    getter: (object, name, act) => replaceFunction("get", object, name, act),
    /** @type {(object: any, name: PropertyKey, act: (native: NativeCall, self: any, args: any[]) => void) => void} */
    setter: (object, name, act) => replaceFunction("set", object, name, act),
    /**
     * @param {any} object has the constructor, if the browser has it
     * @param {string} name
     * @param {(create: (args: any[]) => any, args: any[]) => object} act
     * @param {() => unknown} [call] what a call without `new` returns, if that is allowed
     */
    constructor: (object, name, act, call) => {
      const descriptor = getOwnPropertyDescriptor(object, name);
      const native = descriptor?.value;
      if (!native) {
        return;
      }
      const value = new Proxy(native, {
        construct: (target, args, newTarget) => act((changed) => construct(target, changed, newTarget), args),
        ...(call ? { apply: call } : {}),
      });
      defineProperty(object, name, { ...descriptor, value });
      defineProperty(native.prototype, "constructor", {
        ...getOwnPropertyDescriptor(native.prototype, "constructor"), value,
      });
    },
  };
})();
