// The browser's globals that the parts use, read before the script runs. The script's own declarations hide a global
// from all code that names it, also from the parts in front of it: before `const performance = …` and `class URL {}`
// have run, the bare name throws. eslint.config.js holds the list to what the parts use.
const {
  AbortController, Array, ArrayBuffer, BigInt, Blob, Boolean, DOMException, DataView, Date, Error, ErrorEvent, Event,
  EventTarget, FileReader, Function, IDBDatabase, IDBFactory, IDBObjectStore, Intl, JSON, LockManager, Map, Math,
  MessageChannel, MessagePort, Number, Object, Promise, Proxy, Reflect, RegExp, Request, Response, Set, String, Symbol,
  TypeError, URL, Uint32Array, Uint8Array, WeakMap, WeakSet, WorkerLocation, WorkerNavigator, XMLHttpRequest, console,
  crypto, encodeURIComponent, location, navigator, performance,
} = self;
