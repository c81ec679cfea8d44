// Methods of the browser that answer by a promise, and FileReader: time waits for their answers.
(() => {
  const BODY = ["arrayBuffer", "blob", "bytes", "formData", "json", "text"];
  const ANSWER_BY_PROMISE = {
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
      "decrypt", "deriveBits", "deriveKey", "digest", "encrypt", "exportKey", "generateKey", "importKey", "sign",
      "unwrapKey", "verify", "wrapKey",
    ],
  };
  const replace = (owner, name, wait) => {
    const native = owner && owner[name];
    if (native) {
      owner[name] = function (...args) {
        return wait(native.apply(this, args), this);
      };
    }
  };

  for (const [type, names] of Object.entries(ANSWER_BY_PROMISE)) {
    for (const name of names) {
      replace(self[type] && self[type].prototype, name, (answer) => work.until(`${type}.${name}()`, answer));
    }
  }
  replace(self, "createImageBitmap", (answer) => work.until("createImageBitmap()", answer));
  for (const name of ["compile", "compileStreaming", "instantiate", "instantiateStreaming"]) {
    replace(self.WebAssembly, name, (answer) => work.until(`WebAssembly.${name}()`, answer));
  }
  for (const name of BODY) {
    replace(Response.prototype, name, (answer, response) => {
      // An answer that a script made may be filled by a stream of the script's own, which may wait for a
      // timer.
      const wait = response.type === "default" ? work.while_patient : work.until;
      return wait(`reading the answer of ${response.url || "the worker itself"}`, answer);
    });
  }
  for (const name of ["readAsArrayBuffer", "readAsDataURL", "readAsText"]) {
    replace(FileReader.prototype, name, (_, reader) => {
      work.until_event(`FileReader.${name}()`, reader, ["loadend"]);
    });
  }
})();
