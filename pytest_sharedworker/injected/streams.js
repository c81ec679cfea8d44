// Streams and bodies of responses: virtual time waits for the next chunk while a script reads. Where the data is
// there (a blob, a text, also compressed by the browser), until it is read. Where a server fills the stream, for a
// limited real time. Time does not wait for a stream that a script fills: that script waits for a timer, or for
// work that is pending itself.
const streams = (() => {
  /**
   * Fulfills when the promise settles; nobody reports its rejection.
   *
   * @param {Promise<unknown>} promise
   */
  const ignoreError = (promise) => then(promise, () => {}, () => {});
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
  /** The bodies that a script has seen. @type {WeakMap<object, ReadableStream>} */
  const bodies = new WeakMap();
  replace.getter(Request.prototype, "body", (native, request) => {
    const opened = native(request, []);
    if (opened) {
      bodies.set(request, opened);
    }
    return opened;
  });
  replace.getter(Response.prototype, "body", (native, response) => {
    const opened = native(response, []);
    if (opened) {
      bodies.set(response, opened);
    }
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

  // --- iterators and branches -----------------------------------------------------------------
  // A loop calls `next` of the iterator, which reads. All iterators have one prototype.
  let followsIterators = false;
  const followIterators = (/** @type {any} */ iterator) => {
    if (!followsIterators) {
      followsIterators = true;
      replace.method(iterator, "next", (native, each, args) => {
        const chunk = native(each, args);
        const source = readers.get(each);
        return source ? waitForChunk(source, chunk) : chunk;
      });
    }
  };
  replace.method(prototype, "values", (native, stream, args) => {
    const iterator = native(stream, args);
    const source = sources.get(stream);
    if (source) {
      followIterators(iterator);
      readers.set(iterator, source);
    }
    return iterator;
  });
  replace.alias(prototype, Symbol.asyncIterator, "values");
  replace.method(prototype, "tee", (native, stream, args) => {
    const branches = native(stream, args);
    const source = sources.get(stream);
    if (source) {
      for (const branch of branches) {
        sources.set(branch, source);
      }
    }
    return branches;
  });

  // --- pipes ----------------------------------------------------------------------------------
  const { AbortSignal: NativeAbortSignal, WritableStream: NativeWritableStream } = self;
  // In a pipe the browser reads without calling `read`. It gets another stream instead, which calls `read` on the
  // source for each chunk. The source is locked, and free again, when it is in the browser's own pipe.
  /**
   * @param {ReadableStream} stream not locked
   * @param {(stream: ReadableStream) => Promise<void>} start the browser's pipe; it rejects wrong arguments
   * @param {boolean} isToFile
   */
  const pipe = (stream, start, isToFile) => {
    /** @type {ReadableStreamDefaultReader<any> | undefined} */
    let reader;
    const lock = () => (reader ??= stream.getReader());
    /** @type {Promise<ReadableStreamReadResult<any>> | undefined} */
    let chunk;
    /** @type {ReadableStreamDefaultController<any> | undefined} */
    let controller;
    // The browser writes a file without calling `write`. Time waits for it while no chunk is awaited.
    const writing = isToFile ? work.begin("writing a file") : undefined;
    const read = () => {
      const next = lock().read();
      ignoreError(next);
      return next;
    };
    const copy = new NativeStream({
      start: (given) => { controller = given; },
      pull: async () => {
        chunk ??= read();
        work.setHeld(writing, true);
        const { done, value } = await chunk;
        work.setHeld(writing, false);
        chunk = undefined;
        if (done) {
          controller?.close();
        } else {
          controller?.enqueue(value);
        }
      },
      cancel: (reason) => lock().cancel(reason),
    }, { highWaterMark: 0 });
    const piped = start(copy);
    // Unless the browser has refused the arguments.
    if (copy.locked) {
      // The browser reads at once, too: from now on, the body is used.
      chunk = read();
      // An error ends the pipe before the next chunk is wanted, behind the chunk that is on its way.
      then(lock().closed, () => {}, async (error) => {
        await (chunk && ignoreError(chunk));
        controller?.error(error);
      });
    }
    return work.untilSettled(piped, () => {
      work.end(writing);
      reader?.releaseLock();
    });
  };
  const types = /** @type {Record<string, any>} */ (self);
  const FileStream = types.FileSystemWritableFileStream;
  // Only a stream tells whether it is locked.
  const isFree = (/** @type {any} */ stream) => {
    try {
      return stream instanceof NativeStream && !stream.locked;
    } catch {
      return false;
    }
  };
  replace.method(prototype, "pipeTo", (native, stream, args) => {
    const isToFile = Boolean(FileStream) && args[0] instanceof FileStream;
    return (isToFile || sources.has(stream)) && isFree(stream)
      ? pipe(stream, (copy) => native(copy, args), isToFile)
      : native(stream, args);
  });

  // The browser's own, which wait for no timer.
  const transforms = ["CompressionStream", "DecompressionStream", "TextDecoderStream", "TextEncoderStream"]
    .map((name) => types[name])
    .filter(Boolean);
  const { pipeTo } = prototype;
  replace.method(prototype, "pipeThrough", (native, stream, args) => {
    const source = sources.get(stream);
    if (!source || !isFree(stream)) {
      return native(stream, args);
    }
    const [transform, options] = args;
    const readable = transform?.readable;
    if (!(readable instanceof NativeStream)) {
      // It throws, before it reads the rest.
      return native(stream, [{ readable }, options]);
    }
    const { writable } = transform;
    const { preventAbort, preventCancel, preventClose, signal } = options ?? {};
    if (
      !(writable instanceof NativeWritableStream && !writable.locked)
      || !(options === undefined || options === null || typeof options === "object" || typeof options === "function")
      || !(signal === undefined || signal instanceof NativeAbortSignal)
    ) {
      return native(stream, args);
    }
    ignoreError(pipeTo.call(stream, writable, { preventAbort, preventCancel, preventClose, signal }));
    if (transforms.some((Transform) => transform instanceof Transform)) {
      // Whoever prevents its end may write more later.
      sources.set(readable, preventAbort || preventClose ? "server" : source);
    }
    return readable;
  });

  return {
    getSource,
    /** Whether reading a body is refused. */
    isUsed: (/** @type {Request | Response} */ owner) => owner.bodyUsed || bodies.get(owner)?.locked === true,
  };
})();
