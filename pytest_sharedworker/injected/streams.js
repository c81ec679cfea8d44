// Streams of responses and blobs, which the browser fills: virtual time waits for the next chunk while a script
// reads, for a limited real time. Time does not wait for a stream that a script fills: that script waits for a
// timer, or for work that is pending itself.
(() => {
  /** @type {WeakSet<ReadableStream>} */
  const filledByBrowser = new WeakSet();
  const readers = new WeakSet();

  replace.method(Blob.prototype, "stream", (native, blob, args) => {
    const opened = native(blob, args);
    filledByBrowser.add(opened);
    return opened;
  });
  replace.getter(Response.prototype, "body", (native, response) => {
    const opened = native(response, []);
    if (opened && response.type !== "default") {
      filledByBrowser.add(opened);
    }
    return opened;
  });

  const NativeStream = self.ReadableStream;
  const prototype = /** @type {any} */ (NativeStream.prototype);
  replace.method(prototype, "getReader", (native, stream, args) => {
    const reader = native(stream, args);
    if (filledByBrowser.has(stream)) {
      readers.add(reader);
    }
    return reader;
  });
  for (const Reader of [self.ReadableStreamDefaultReader, self.ReadableStreamBYOBReader].filter(Boolean)) {
    replace.method(Reader.prototype, "read", (native, reader, args) => {
      const chunk = native(reader, args);
      return readers.has(reader) ? work.whilePatient("reading a stream", chunk) : chunk;
    });
  }

  /** @type {{ type?: any }} */
  const byteStream = { type: "bytes" };
  try {
    new NativeStream(byteStream);
  } catch {
    // WebKit's scripts make no byte streams.
    delete byteStream.type;
  }

  // In pipeTo, tee and async iteration the browser reads without calling `read`. It gets this stream instead, which
  // calls `read` on the source for each chunk.
  const wrap = (/** @type {ReadableStream<Uint8Array>} */ source) => {
    const reader = source.getReader();
    return new NativeStream({
      ...byteStream,
      pull: async (/** @type {any} */ controller) => {
        const { done, value } = await reader.read();
        if (!done) {
          controller.enqueue(value);
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
  for (const name of ["pipeThrough", "pipeTo", "tee", "values"]) {
    replace.method(prototype, name, (native, stream, args) => {
      const isReadable = filledByBrowser.has(stream) && !stream.locked;
      return native(isReadable ? wrap(stream) : stream, args);
    });
  }
  // One function under two names.
  const iterator = Object.getOwnPropertyDescriptor(prototype, Symbol.asyncIterator);
  if (iterator) {
    Object.defineProperty(prototype, Symbol.asyncIterator, { ...iterator, value: prototype.values });
  }
})();
