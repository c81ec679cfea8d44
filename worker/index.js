/**
 * The package's entry for pages. Importing it has no effect and works everywhere, also in Node.js:
 *
 *     import { createTelemetryClient } from "telemetry-sharedworker";
 *
 * @module
 */

import { checkOptions, checkWorkerSource } from "./check-options.js";
import { reportOtherEndpoint } from "./check-worker.js";
import { createTelemetryClient as createClient } from "./telemetry-client.js";

/** @typedef {import("./options.js").TelemetryOptions} TelemetryOptions */
/** @typedef {import("./telemetry-client.js").ClientOptions} ClientOptions */
/** @typedef {import("./telemetry-client.js").ClientState} ClientState */
/** @typedef {import("./telemetry-client.js").TelemetryClient} TelemetryClient */

/**
 * Create the client of a page: it connects to the worker while there is consent, and disconnects when consent is
 * withdrawn. Where SharedWorker is missing or blocked, the session runs in the page. Where there is no page, as on a
 * server that renders it, or where the page has an opaque origin and thus no storage for consent, the client is off.
 *
 * @param {ClientOptions} options
 * @returns {TelemetryClient}
 * @throws {TypeError | RangeError} when an option is wrong
 */
export function createTelemetryClient(options) {
  const checked = checkOptions(options);
  checkWorkerSource(checked);
  const hasPage = globalThis.document && globalThis.origin !== "null";
  return hasPage ? createClient(reportOtherEndpoint(checked)) : createClientWithoutPage();
}

/** @returns {TelemetryClient} a client that is off for good */
function createClientWithoutPage() {
  return {
    isEnabled: () => false,
    state: () => "off",
    logEvent: () => false,
    optOut: () => true,
    optIn() {},
  };
}
