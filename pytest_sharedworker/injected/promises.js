// Methods of the browser that return a promise or read a list, and FileReader: time waits until they have settled;
// for a limited real time where they read what a script or a server fills, which may wait for a timer.
(() => {
  // As for a request, see requests.js.
  const REQUEST_PATIENCE_MS = 5000;
  const BODY = ["arrayBuffer", "blob", "bytes", "formData", "json", "text"];
  const RETURNS_PROMISE = {
    Blob: ["arrayBuffer", "bytes", "text"],
    Cache: ["delete", "keys", "match", "matchAll"],
    CacheStorage: ["delete", "has", "keys", "match", "open"],
    FileSystemDirectoryHandle: ["getDirectoryHandle", "getFileHandle", "removeEntry", "resolve"],
    FileSystemFileHandle: ["createWritable", "getFile"],
    FileSystemHandle: ["isSameEntry", "move", "remove"],
    FileSystemWritableFileStream: ["abort", "close", "seek", "truncate", "write"],
    IDBFactory: ["databases"],
    LockManager: ["query"],
    OffscreenCanvas: ["convertToBlob"],
    StorageBucket: ["estimate", "expires", "getDirectory", "persist", "persisted", "setExpires"],
    StorageBucketManager: ["delete", "keys", "open"],
    StorageManager: ["estimate", "getDirectory", "persisted"],
    SubtleCrypto: [
      "decrypt", "deriveBits", "deriveKey", "digest", "encrypt", "exportKey", "generateKey", "importKey",
      "sign", "unwrapKey", "verify", "wrapKey",
    ],
  };
  /**
   * @param {any} owner
   * @param {string} name
   * @param {(result: any, self: any, args: any[]) => unknown} wait
   */
  const waitFor = (owner, name, wait) => {
    replace.method(owner, name, (native, self, args) => wait(native(self, args), self, args));
  };

  const types = /** @type {Record<string, any>} */ (self);
  for (const [type, names] of Object.entries(RETURNS_PROMISE)) {
    const Type = types[type];
    for (const name of names) {
      // An inherited method is also that of objects that a script fills, which may wait for a timer.
      waitFor(Type?.prototype, name, (promise, self) => (
        self instanceof Type ? work.until(`${type}.${name}()`, promise) : promise
      ));
    }
  }
  const { FileSystemWritableFileStream: FileStream, WritableStreamDefaultWriter: Writer } = types;
  /** @type {WeakSet<object>} */
  const fileWriters = new WeakSet();
  if (FileStream) {
    waitFor(FileStream.prototype, "getWriter", (writer, self) => {
      if (self instanceof FileStream) {
        fileWriters.add(writer);
      }
      return writer;
    });
    for (const name of ["abort", "close", "write"]) {
      waitFor(Writer.prototype, name, (promise, self) => (
        fileWriters.has(self) ? work.until(`FileSystemWritableFileStream.${name}()`, promise) : promise
      ));
    }
  }
  // A loop over a folder calls `next` of the iterator. All iterators have one prototype.
  const { prototype: folder } = types.FileSystemDirectoryHandle ?? {};
  let followsFolders = false;
  for (const name of ["entries", "keys", "values"]) {
    waitFor(folder, name, (iterator) => {
      if (!followsFolders) {
        followsFolders = true;
        waitFor(iterator, "next", (promise) => work.until("reading a folder", promise));
      }
      return iterator;
    });
  }
  replace.alias(folder, Symbol.asyncIterator, "entries");
  /**
   * A body that is refused rejects at once, before a microtask could notice that it is followed.
   *
   * @param {any} Type
   * @param {(promise: any, owner: any, name: string) => unknown} wait
   */
  const waitForBodies = (Type, wait) => {
    for (const name of BODY) {
      replace.method(Type.prototype, name, (native, owner, args) => {
        const isRefused = !(owner instanceof Type) || streams.isUsed(owner);
        const promise = native(owner, args);
        return isRefused ? promise : wait(promise, owner, name);
      });
    }
  };
  waitForBodies(Request, (promise, _, name) => work.whilePatient(`Request.${name}()`, promise));
  const whileRequesting = (/** @type {string} */ what, /** @type {Promise<unknown>} */ promise) => (
    work.beginPatiently(what, promise, REQUEST_PATIENCE_MS).outcome
  );
  /** How time waits for the body of a response, by what fills it. */
  const WAIT_FOR_BODY = { data: work.until, server: whileRequesting, script: work.whilePatient };
  const NativeResponse = self.Response;
  waitFor(types.Cache?.prototype, "put", (promise, _, [, response]) => {
    const source = response instanceof NativeResponse ? streams.getSource(response) : "data";
    return WAIT_FOR_BODY[source]("Cache.put()", promise);
  });
  const waitForRequest = (/** @type {any} */ owner, /** @type {string} */ name, /** @type {string} */ type) => {
    waitFor(owner, name, (promise) => whileRequesting(`${type}.${name}()`, promise));
  };
  for (const name of ["add", "addAll"]) {
    waitForRequest(types.Cache?.prototype, name, "Cache");
  }
  for (const name of ["compileStreaming", "instantiateStreaming"]) {
    waitForRequest(self.WebAssembly, name, "WebAssembly");
  }
  for (const type of ["FontFace", "FontFaceSet"]) {
    waitForRequest(types[type]?.prototype, "load", type);
  }
  waitFor(types.Scheduler?.prototype, "yield", (promise) => work.until("scheduler.yield()", promise));
  replace.method(types.Scheduler?.prototype, "postTask", (native, self, args) => {
    const [callback, ...rest] = args;
    if (typeof callback !== "function") {
      return native(self, args);
    }
    // Until the task begins: it may wait for a timer.
    const item = work.begin("scheduler.postTask()");
    const task = function (/** @type {unknown[]} */ ...values) {
      work.end(item);
      return callback.apply(undefined, values);
    };
    const promise = native(self, [task, ...rest]);
    return work.untilSettled(promise, () => work.end(item));
  });
  waitFor(self, "createImageBitmap", (promise) => work.until("createImageBitmap()", promise));
  for (const name of ["compile", "instantiate"]) {
    waitFor(self.WebAssembly, name, (promise) => work.until(`WebAssembly.${name}()`, promise));
  }
  waitForBodies(NativeResponse, (promise, response) => {
    if (announcements.isAborted(response)) {
      // It rejects at once.
      return promise;
    }
    const source = streams.getSource(response);
    return source === "server" ? requests.whileReading(response, promise)
      : WAIT_FOR_BODY[source]("reading the response of the worker itself", promise);
  });
  for (const name of ["readAsArrayBuffer", "readAsBinaryString", "readAsDataURL", "readAsText"]) {
    waitFor(FileReader.prototype, name, (_, reader) => {
      work.untilEvent(`FileReader.${name}()`, reader, ["loadend"]);
    });
  }
})();
