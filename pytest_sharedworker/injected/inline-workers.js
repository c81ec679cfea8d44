// Workers whose script is in a blob: or data: URL: the gateway does not see them start, so that the page puts the
// prologue in front of the script and passes a URL of the same kind to the browser. Where anything fails, the
// browser gets what the app gave.
const inlineWorkers = (() => {
  const { XMLHttpRequest: NativeXhr, Blob: NativeBlob, URL: NativeURL } = window;
  // A blob: URL ends with the window that made it. A frame may go, and its worker's URL be used again while the browser
  // still ends the worker, so the outermost window that may be reached makes it.
  const { createObjectURL } = (() => {
    let outermost = NativeURL;
    try {
      for (let frame = window; frame !== frame.parent; outermost = /** @type {any} */ (frame).URL) {
        frame = /** @type {any} */ (frame.parent);
      }
    } catch {
      // The parent is of another origin.
    }
    return outermost;
  })();
  const { parse, stringify } = JSON;
  const own = `${window.origin}${settings.ownPrefix}`;
  /** @type {Set<string>} */
  const read = new Set();

  // Synchronously, as the constructor needs it.
  const request = (/** @type {string} */ method, /** @type {string} */ url, /** @type {object | null} */ body) => {
    const xhr = new NativeXhr();
    xhr.open(method, url, false);
    xhr.send(body && stringify(body));
    return xhr;
  };
  // The browser reports what a Permissions-Policy forbids.
  const maySendSynchronously = () => (
    /** @type {any} */ (document).featurePolicy?.allowsFeature("sync-xhr") ?? true
  );
  const ask = (/** @type {object} */ question) => parse(request("POST", `${own}inline`, question).responseText);

  // A blob: URL ends with the page that made it, perhaps before its worker has started.
  const canRead = (/** @type {string} */ url) => {
    try {
      read.add(url);
      return request("GET", url, null).status === 200;
    } catch {
      return false;
    }
  };

  // Workers of one blob: URL are one worker in all tabs: the gateway knows which URL runs in its place.
  const wrap = (/** @type {string} */ url) => {
    // A policy that forbids such workers may forbid to read their scripts too, and the app would see that.
    const { running, isStarted, isForbidden } = ask({ url, page: location.href });
    if (isForbidden || (running && (isStarted || canRead(running)))) {
      return running;
    }
    const script = request("GET", url, null);
    read.add(url);
    const type = (script.getResponseHeader("content-type") ?? "").split(";")[0];
    const { prefix } = ask({ url, script: script.responseText });
    if (prefix === null) {
      return null;
    }
    const text = prefix + script.responseText;
    const blob = new NativeBlob([text], { type: type && `${type};charset=utf-8` });
    const wrapped = url.startsWith("data:") ? `data:${type};charset=utf-8,${encodeURIComponent(text)}`
      : createObjectURL(blob);
    return ask({ url, wrapped, replaced: running }).running;
  };

  hideEntries(({ name, entryType }) => (
    name.startsWith(own) || (entryType === "resource" && read.has(name))
  ));
  return {
    /**
     * Returns the arguments for the browser.
     *
     * @param {any[]} args as the app gave them
     * @param {string} url that they mean
     */
    wrap: (args, url) => {
      try {
        // Where a page enforces trusted types, it gives another type of object.
        const isPlain = typeof args[0] === "string" || args[0] instanceof NativeURL;
        const isInline = settings.wrapsInlineWorkers && isPlain && /^(blob|data):/.test(url);
        const wrapped = isInline && maySendSynchronously() && wrap(url);
        return wrapped ? [wrapped, ...args.slice(1)] : args;
      } catch {
        return args;
      }
    },
  };
})();
