// Streams of responses and blobs, which the browser fills: virtual time waits for the next chunk while a script
// reads, for a limited real time. Time does not wait for a stream that a script fills: that script waits for a
// timer, or for work that is pending itself.
(() => {
  /** @type {WeakSet<ReadableStream>} */
  const filledByBrowser = new WeakSet();
  const readers = new WeakSet();

  const { stream } = Blob.prototype;
  Blob.prototype.stream = function () {
    const opened = stream.call(this);
    filledByBrowser.add(opened);
    return opened;
  };
  const body = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(Response.prototype, "body"));
  Object.defineProperty(Response.prototype, "body", {
    ...body,
    get() {
      const opened = body.get?.call(this);
      if (opened && this.type !== "default") {
        filledByBrowser.add(opened);
      }
      return opened;
    },
  });

  const prototype = /** @type {any} */ (ReadableStream.prototype);
  const { getReader } = prototype;
  /** @this {ReadableStream} */
  prototype.getReader = function (/** @type {any[]} */ ...args) {
    const reader = getReader.apply(this, args);
    if (filledByBrowser.has(this)) {
      readers.add(reader);
    }
    return reader;
  };
  for (const Reader of [self.ReadableStreamDefaultReader, self.ReadableStreamBYOBReader].filter(Boolean)) {
    const read = /** @type {Function} */ (Reader.prototype.read);
    Reader.prototype.read = function (/** @type {unknown[]} */ ...args) {
      const chunk = read.apply(this, args);
      return readers.has(this) ? work.whilePatient("reading a stream", chunk) : chunk;
    };
  }

  // In pipeTo, tee and async iteration the browser reads without calling `read`. It gets this stream instead, which
  // calls `read` on the source for each chunk.
  const wrap = (/** @type {ReadableStream<Uint8Array>} */ source) => {
    const reader = source.getReader();
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const { done, value } = await reader.read();
        if (!done) {
          controller.enqueue(/** @type {Uint8Array<ArrayBuffer>} */ (value));
          return;
        }
        controller.close();
        if (controller.byobRequest) {
          controller.byobRequest.respond(0);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  };
  for (const name of ["pipeThrough", "pipeTo", "tee", "values", Symbol.asyncIterator]) {
    const native = prototype[name];
    if (native) {
      /** @this {ReadableStream} */
      prototype[name] = function (/** @type {unknown[]} */ ...args) {
        const isReadable = filledByBrowser.has(this) && !this.locked;
        return native.apply(isReadable ? wrap(this) : this, args);
      };
    }
  }
})();
