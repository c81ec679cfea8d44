/**
 * The package's entry for an app's own worker script:
 *
 *     import { serveTabs } from "telemetry-sharedworker/serve-tabs";
 *     serveTabs({ endpoint: "/api/telemetry" });
 *
 * @module
 */

import { checkOptions } from "./check-options.js";
import { serveTabs as serve } from "./worker-host.js";

/** @typedef {import("./options.js").TelemetryOptions} TelemetryOptions */

/**
 * Serve every tab that connects to this SharedWorker. Must be called synchronously by the worker's script: a later
 * call misses the first `connect` event.
 *
 * @param {TelemetryOptions} [options] the same as the client's
 * @throws {TypeError | RangeError} when an option is wrong
 */
export function serveTabs(options = {}) {
  serve(checkOptions(options));
}
