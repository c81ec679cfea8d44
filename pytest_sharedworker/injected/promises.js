// Methods of the browser that return a promise, and FileReader: time waits until they have settled.
(() => {
  const BODY = ["arrayBuffer", "blob", "bytes", "formData", "json", "text"];
  const RETURNS_PROMISE = {
    Blob: ["arrayBuffer", "bytes", "text"],
    Cache: ["add", "addAll", "delete", "keys", "match", "matchAll", "put"],
    CacheStorage: ["delete", "has", "keys", "match", "open"],
    FileSystemDirectoryHandle: ["getDirectoryHandle", "getFileHandle", "removeEntry", "resolve"],
    FileSystemFileHandle: ["createWritable", "getFile"],
    FileSystemHandle: ["isSameEntry", "move", "remove"],
    FileSystemWritableFileStream: ["abort", "close", "seek", "truncate", "write"],
    IDBFactory: ["databases"],
    LockManager: ["query"],
    Request: BODY,
    StorageManager: ["estimate", "getDirectory", "persisted"],
    SubtleCrypto: [
      "decrypt", "deriveBits", "deriveKey", "digest", "encrypt", "exportKey", "generateKey", "importKey",
      "sign", "unwrapKey", "verify", "wrapKey",
    ],
  };
  /**
   * @param {any} owner
   * @param {string} name
   * @param {(result: any, self: any) => unknown} wait
   */
  const replace = (owner, name, wait) => {
    const native = owner && owner[name];
    if (native) {
      owner[name] = function (/** @type {unknown[]} */ ...args) {
        return wait(native.apply(this, args), this);
      };
    }
  };

  const types = /** @type {Record<string, any>} */ (self);
  for (const [type, names] of Object.entries(RETURNS_PROMISE)) {
    for (const name of names) {
      replace(types[type]?.prototype, name, (promise) => work.until(`${type}.${name}()`, promise));
    }
  }
  replace(types.Scheduler?.prototype, "yield", (promise) => work.until("scheduler.yield()", promise));
  const nativePostTask = types.Scheduler?.prototype.postTask;
  if (nativePostTask) {
    types.Scheduler.prototype.postTask = function (/** @type {Function} */ callback, /** @type {unknown} */ options) {
      // Until the task begins: it may wait for a timer.
      const item = work.begin("scheduler.postTask()");
      const task = function (/** @type {unknown[]} */ ...args) {
        work.end(item);
        return callback.apply(undefined, args);
      };
      const promise = nativePostTask.call(this, typeof callback === "function" ? task : callback, options);
      promise.catch(() => work.end(item));
      return promise;
    };
  }
  replace(self, "createImageBitmap", (promise) => work.until("createImageBitmap()", promise));
  for (const name of ["compile", "compileStreaming", "instantiate", "instantiateStreaming"]) {
    replace(self.WebAssembly, name, (promise) => work.until(`WebAssembly.${name}()`, promise));
  }
  for (const name of BODY) {
    replace(Response.prototype, name, (promise, response) => {
      // A response that a script made may be filled by the script's own stream, which may wait for a timer.
      const isOwn = response.type === "default";
      return isOwn ? work.whilePatient("reading the response of the worker itself", promise)
        : requests.whileReading(response, promise);
    });
  }
  for (const name of ["readAsArrayBuffer", "readAsDataURL", "readAsText"]) {
    replace(FileReader.prototype, name, (_, reader) => {
      work.untilEvent(`FileReader.${name}()`, reader, ["loadend"]);
    });
  }
})();
