/**
 * Worker and client in one classic script: `scripts/bundle` makes one file of it.
 *
 * A page that loads it gets `createTelemetryClient`, whose worker is the same file; in a SharedWorker it is the worker.
 *
 * @module
 */

import { serveTabs } from "./worker-host.js";
import { createTelemetryClient } from "./telemetry-client.js";

const page = globalThis.document;
if (page) {
  const workerUrl = /** @type {HTMLScriptElement} */ (page.currentScript).src;
  Object.assign(globalThis, {
    /** @param {Partial<import("./telemetry-client.js").ClientOptions>} [options] */
    createTelemetryClient: (options) => createTelemetryClient({ workerUrl, ...options }),
  });
} else {
  serveTabs();
}
