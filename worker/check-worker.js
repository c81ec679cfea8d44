/**
 * Check that client and worker have the same options.
 *
 * @module
 */

import { resolveOptions } from "./options.js";
import { OUTBOX_NAME_PREFIX, READY } from "./protocol.js";

/** @typedef {import("./telemetry-client.js").ClientOptions} ClientOptions */

/**
 * Return the options with a `createWorker` that reports a worker with another endpoint. An opt-out while no worker runs
 * would delete the outbox of the client's endpoint, and leave the records of the worker's on disk.
 *
 * @param {ClientOptions} options
 * @returns {ClientOptions}
 */
export function reportOtherEndpoint(options) {
  const url = new URL(options.workerUrl ?? "", document.baseURI);
  const { endpoint } = resolveOptions(options, url);
  /** @param {WorkerOptions} workerOptions */
  const createWorker = (workerOptions) => {
    const worker = options.createWorker?.(workerOptions) ?? new SharedWorker(url, workerOptions);
    worker.port.addEventListener("message", ({ data }) => {
      // The name of the worker's lock begins with that of its outbox.
      if (data?.type !== READY || String(data.lock).startsWith(`${OUTBOX_NAME_PREFIX}${endpoint} `)) return;
      console.error(`telemetry: the worker's endpoint is not ${endpoint}: pass the client's options to serveTabs`);
    });
    return worker;
  };
  return /** @type {ClientOptions} */ ({ ...options, createWorker });
}
