/**
 * Options of the session: what an app may change, and the defaults.
 *
 * Client and worker must use the same values, because both open the same outbox and a page may run the session itself:
 * keep one object, and pass it to `createTelemetryClient` and to `serveTabs`.
 *
 * @module
 */

import {
  ENABLED_KEY,
  ENDPOINT_PATH,
  FLUSH_INTERVAL_MS,
  INSTALLATION_ID_KEY,
  MAX_BATCH_BYTES,
  MAX_BATCH_RECORDS,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_RECORDS,
  MAX_RECORD_BYTES,
  MAX_WAITING_EVENTS,
} from "./protocol.js";

/**
 * @typedef {object} TelemetryOptions
 * @property {string | URL} [endpoint] the telemetry endpoint: an absolute path or a URL. Default: the path
 *   {@link ENDPOINT_PATH}, relative to the worker's script
 * @property {number} [flushIntervalMs] time between two flushes, in milliseconds. Default: 30,000
 * @property {number} [maxBatchRecords] maximum number of records in one POST. Default: 500
 * @property {number} [maxBatchBytes] maximum size of the records in one POST, in bytes. Default: 512 KiB
 * @property {number} [maxQueuedRecords] maximum number of queued records; the oldest are dropped. Default: 10,000
 * @property {number} [maxQueuedBytes] maximum size of all queued records, in bytes. Default: 5 MiB
 * @property {number} [maxRecordBytes] maximum size of one record, in bytes. Default: 64 KiB
 * @property {number} [maxWaitingEvents] maximum number of events that wait for the configuration or for a worker.
 *   Default: 10,000
 * @property {string} [consentKey] localStorage key of the consent. Default: {@link ENABLED_KEY}
 * @property {string} [installationIdKey] localStorage key of the browser profile's id. Default:
 *   {@link INSTALLATION_ID_KEY}
 */

/** @typedef {Required<TelemetryOptions> & {endpoint: URL}} ResolvedOptions the options with all values */

/**
 * Complete the options.
 *
 * @param {TelemetryOptions} options other properties are ignored
 * @param {string | URL} scriptUrl of the worker's script
 * @returns {ResolvedOptions}
 * @throws {TypeError} when `endpoint` is not a URL
 */
export function resolveOptions(options, scriptUrl) {
  return {
    flushIntervalMs: FLUSH_INTERVAL_MS,
    maxBatchRecords: MAX_BATCH_RECORDS,
    maxBatchBytes: MAX_BATCH_BYTES,
    maxQueuedRecords: MAX_QUEUED_RECORDS,
    maxQueuedBytes: MAX_QUEUED_BYTES,
    maxRecordBytes: MAX_RECORD_BYTES,
    maxWaitingEvents: MAX_WAITING_EVENTS,
    consentKey: ENABLED_KEY,
    installationIdKey: INSTALLATION_ID_KEY,
    ...options,
    // Page and worker have different base URLs; `location.origin` is "null" in a frame with srcdoc.
    endpoint: new URL(options.endpoint || ENDPOINT_PATH, options.endpoint ? origin : scriptUrl),
  };
}
