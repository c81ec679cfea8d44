/**
 * Entry of the bundle: worker and client in one classic script, built by `scripts/bundle`.
 *
 * In a page it defines `createTelemetryClient`, which starts the same file as its worker. In a SharedWorker it runs
 * the worker.
 *
 * @module
 */

import { serveTabs } from "./worker-host.js";
import { createTelemetryClient } from "./telemetry-client.js";

const page = globalThis.document;
if (page) {
  const workerUrl = /** @type {HTMLScriptElement} */ (page.currentScript).src;
  Object.assign(globalThis, {
    /** @param {import("./telemetry-client.js").PageOptions} [options] */
    createTelemetryClient: (options) => createTelemetryClient({ workerUrl, ...options }),
  });
} else {
  serveTabs();
}
