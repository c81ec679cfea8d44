// Streams that the browser itself fills, those of answers and blobs: time waits for the next piece while
// somebody reads, as long as there is reason to believe that it comes. What a script fills is not waited
// for: a script waits for a timer, or for something that is waited for already.
(() => {
  const filled_by_browser = new WeakSet();
  const readers = new WeakSet();

  const { stream } = Blob.prototype;
  Blob.prototype.stream = function () {
    const opened = stream.call(this);
    filled_by_browser.add(opened);
    return opened;
  };
  const body = Object.getOwnPropertyDescriptor(Response.prototype, "body");
  Object.defineProperty(Response.prototype, "body", {
    ...body,
    get() {
      const opened = body.get.call(this);
      if (opened && this.type !== "default") {
        filled_by_browser.add(opened);
      }
      return opened;
    },
  });

  const { getReader } = ReadableStream.prototype;
  ReadableStream.prototype.getReader = function (...args) {
    const reader = getReader.apply(this, args);
    if (filled_by_browser.has(this)) {
      readers.add(reader);
    }
    return reader;
  };
  for (const Reader of [self.ReadableStreamDefaultReader, self.ReadableStreamBYOBReader].filter(Boolean)) {
    const { read } = Reader.prototype;
    Reader.prototype.read = function (...args) {
      const piece = read.apply(this, args);
      return readers.has(this) ? work.while_patient("reading a stream", piece) : piece;
    };
  }

  // Inside a pipe, a loop or a branch the browser reads by itself; there it reads from this instead, which
  // asks the stream for a piece when somebody wants one.
  const in_between = (source) => {
    const reader = source.getReader();
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
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
  for (const name of ["pipeThrough", "pipeTo", "tee", "values", Symbol.asyncIterator]) {
    const native = ReadableStream.prototype[name];
    if (native) {
      ReadableStream.prototype[name] = function (...args) {
        const is_free = filled_by_browser.has(this) && !this.locked;
        return native.apply(is_free ? in_between(this) : this, args);
      };
    }
  }
})();
