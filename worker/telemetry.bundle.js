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
  /** @param {import("./telemetry-client.js").PageOptions} [options] */
  const createClient = (options) => createTelemetryClient({ workerUrl, ...options });
  /** @type {any} */ (globalThis).createTelemetryClient = createClient;
} else {
  serveTabs();
}
