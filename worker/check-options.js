/**
 * Check the options that an app passes, so that a wrong one fails where it is written and not in a request loop.
 *
 * @module
 */

import { ENABLED_KEY, INSTALLATION_ID_KEY } from "./protocol.js";

/** The shortest flush interval, in milliseconds. */
const MIN_FLUSH_INTERVAL_MS = 1000;

/** Browsers treat a longer delay as 0. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Bounds of the options that are numbers, all of them integers. @type {{[name: string]: [min: number, max: number]}} */
const INTEGERS = {
  flushIntervalMs: [MIN_FLUSH_INTERVAL_MS, MAX_DELAY_MS],
  maxBatchRecords: [1, Number.MAX_SAFE_INTEGER],
  maxBatchBytes: [1, Number.MAX_SAFE_INTEGER],
  maxQueuedRecords: [1, Number.MAX_SAFE_INTEGER],
  maxQueuedBytes: [1, Number.MAX_SAFE_INTEGER],
  maxRecordBytes: [1, Number.MAX_SAFE_INTEGER],
  maxWaitingEvents: [1, Number.MAX_SAFE_INTEGER],
};

const KEYS = ["consentKey", "installationIdKey"];

/** The options that only a page has. */
const PAGE_OPTIONS = ["workerUrl", "createWorker", "type", "onStateChange"];

/**
 * Check the options of client or worker.
 *
 * @template {object} Options
 * @param {Options} options
 * @returns {Options} a copy without the options that are undefined
 * @throws {TypeError | RangeError} naming the option that is wrong
 */
export function checkOptions(options) {
  if (Object(options) !== options) throw new TypeError(`telemetry: the options are ${format(options)}`);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (name in INTEGERS) checkInteger(name, value);
    else if (name === "endpoint") checkEndpoint(value);
    else if (KEYS.includes(name)) checkKey(name, value);
    else if (!PAGE_OPTIONS.includes(name)) throw new TypeError(`telemetry: there is no option ${name}`);
  }
  const { consentKey = ENABLED_KEY, installationIdKey = INSTALLATION_ID_KEY } = Object.fromEntries(given);
  if (consentKey === installationIdKey) {
    throw new TypeError(`telemetry: consentKey and installationIdKey are both ${format(consentKey)}`);
  }
  return /** @type {Options} */ (Object.fromEntries(given));
}

/**
 * Check the options that tell where the worker comes from.
 *
 * @param {{workerUrl?: unknown, createWorker?: unknown, endpoint?: unknown}} options
 * @throws {TypeError} unless exactly one of `workerUrl` and `createWorker` is given, the latter with an `endpoint`
 */
export function checkWorkerSource({ workerUrl, createWorker, endpoint }) {
  if ((workerUrl === undefined) === (createWorker === undefined)) {
    throw new TypeError("telemetry: give either workerUrl or createWorker");
  }
  if (createWorker === undefined) return;
  if (typeof createWorker !== "function") {
    throw new TypeError(`telemetry: createWorker is ${format(createWorker)} and not a function`);
  }
  // The default is relative to the worker's script, whose URL only the bundler knows.
  if (endpoint === undefined) throw new TypeError("telemetry: createWorker needs an endpoint");
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function checkInteger(name, value) {
  const [min, max] = INTEGERS[name];
  if (!Number.isInteger(value) || Number(value) < min || Number(value) > max) {
    throw new RangeError(`telemetry: ${name} is ${format(value)} and not an integer from ${min} to ${max}`);
  }
}

/** @param {unknown} value */
function checkEndpoint(value) {
  // A relative path would mean one URL in a page and another in the worker's script.
  const text = value instanceof URL ? value.href : value;
  if (typeof text !== "string" || !/^(\/|https?:\/\/)/i.test(text) || !URL.canParse(text, "http://localhost")) {
    throw new TypeError(`telemetry: endpoint is ${format(value)} and not an absolute path or an http(s) URL`);
  }
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function checkKey(name, value) {
  if (typeof value !== "string" || !value) {
    throw new TypeError(`telemetry: ${name} is ${format(value)} and not a key of localStorage`);
  }
}

/**
 * Format a value for a message. Unlike `String`, works for every object.
 *
 * @param {unknown} value
 * @returns {string}
 */
function format(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof URL) return value.href;
  return Object(value) === value ? Object.prototype.toString.call(value) : String(value);
}
