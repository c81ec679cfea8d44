// Streams and bodies of responses: virtual time waits for the next chunk while a script reads. Where the data is
// there (a blob, a text, also compressed by the browser), until it is read. Where a server fills the stream, for a
// limited real time. Time does not wait for a stream that a script fills: that script waits for a timer, or for
// work that is pending itself.
const streams = (() => {
  /** What fills a stream, for each that no script fills. @type {WeakMap<ReadableStream, "data" | "server">} */
  const sources = new WeakMap();
  /** @type {WeakMap<object, "data" | "server">} */
  const readers = new WeakMap();
  /** Responses whose body a script fills. @type {WeakSet<Response>} */
  const filledByScript = new WeakSet();

  replace.method(Blob.prototype, "stream", (native, blob, args) => {
    const opened = native(blob, args);
    sources.set(opened, "data");
    return opened;
  });

  // --- bodies ---------------------------------------------------------------------------------
  const NativeStream = self.ReadableStream;
  replace.constructor(self, "Response", (create, args) => {
    const [body] = args;
    const isByScript = body instanceof NativeStream && sources.get(body) !== "data";
    const response = create(args);
    if (isByScript) {
      filledByScript.add(response);
    }
    return response;
  });
  replace.method(Response.prototype, "clone", (native, response, args) => {
    const copy = native(response, args);
    if (filledByScript.has(response)) {
      filledByScript.add(copy);
    }
    return copy;
  });
  /**
   * What fills the body of a response.
   *
   * @param {Response} response
   */
  const getSource = (response) => {
    if (filledByScript.has(response)) {
      return "script";
    }
    return response.type === "default" ? "data" : "server";
  };
  replace.getter(Response.prototype, "body", (native, response) => {
    const opened = native(response, []);
    const source = opened && getSource(response);
    if (source && source !== "script") {
      sources.set(opened, source);
    }
    return opened;
  });

  // --- reading --------------------------------------------------------------------------------
  const prototype = /** @type {any} */ (NativeStream.prototype);
  replace.method(prototype, "getReader", (native, stream, args) => {
    const reader = native(stream, args);
    const source = sources.get(stream);
    if (source) {
      readers.set(reader, source);
    }
    return reader;
  });
  const waitForChunk = (/** @type {"data" | "server"} */ source, /** @type {Promise<unknown>} */ chunk) => (
    source === "data" ? work.until("reading a stream", chunk) : work.whilePatient("reading a stream", chunk)
  );
  for (const Reader of [self.ReadableStreamDefaultReader, self.ReadableStreamBYOBReader].filter(Boolean)) {
    replace.method(Reader.prototype, "read", (native, reader, args) => {
      const chunk = native(reader, args);
      const source = readers.get(reader);
      return source ? waitForChunk(source, chunk) : chunk;
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
  // The browser's own, which wait for no timer. They read from a wrapped stream.
  /** @type {WeakSet<ReadableStream>} */
  const transformed = new WeakSet();
  const types = /** @type {Record<string, any>} */ (self);
  const transforms = ["CompressionStream", "DecompressionStream", "TextDecoderStream", "TextEncoderStream"]
    .map((name) => types[name])
    .filter(Boolean);
  for (const name of ["pipeThrough", "pipeTo", "tee", "values"]) {
    replace.method(prototype, name, (native, stream, args) => {
      const source = sources.get(stream);
      const isWrapped = source && !transformed.has(stream) && !stream.locked;
      const piped = native(isWrapped ? wrap(stream) : stream, args);
      if (source && name === "pipeThrough" && transforms.some((Transform) => args[0] instanceof Transform)) {
        sources.set(piped, source);
        transformed.add(piped);
      }
      return piped;
    });
  }
  // One function under two names.
  const iterator = Object.getOwnPropertyDescriptor(prototype, Symbol.asyncIterator);
  if (iterator) {
    Object.defineProperty(prototype, Symbol.asyncIterator, { ...iterator, value: prototype.values });
  }

  return { getSource };
})();
