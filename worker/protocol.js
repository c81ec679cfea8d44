/**
 * What tabs, worker and server say to each other: message types, shapes and the numbers that both
 * sides have to agree on. No logic lives here.
 *
 * @module
 */

/** The endpoint, relative to the worker's own script, so that a path prefix in front of the app works. */
export const ENDPOINT_PATH = "../ajax-api/3.0/mlflow/ui-telemetry";

/** Time between two flushes, in milliseconds. A trade of fidelity against requests. */
export const FLUSH_INTERVAL_MS = 30_000;

/** How many events may wait for a configuration or a worker that does not come; later ones are refused. */
export const MAX_WAITING_EVENTS = 10_000;

/** First wait for READY, in milliseconds; every further attempt waits twice as long as the one before. */
export const READY_TIMEOUT_MS = 5_000;

/** Name of the worker. Tabs share a worker when its URL and its name are the same. */
export const WORKER_NAME = "telemetry-worker";

/** localStorage key of the id that stands for this browser profile, a UUID. */
export const INSTALLATION_ID_KEY = "mlflow-telemetry-installation-id";

/** localStorage key of the consent: "false" is an opt-out, anything else and nothing at all is on. */
export const ENABLED_KEY = "mlflow.settings.telemetry.enabled_v1";

/** Worker → tab: the port is served. A tab sends no event before it. */
export const READY = "READY";

/** Tab → worker: one event, in `payload`. */
export const LOG_EVENT = "LOG_EVENT";

/**
 * Tab → worker: consent was withdrawn; drop everything and end.
 * Worker → tab: a tab said so, the worker has ended. An extra of this worker that a tab may pass over.
 */
export const SHUTDOWN = "SHUTDOWN";

/**
 * One event as a tab tells it to the worker.
 *
 * @typedef {object} LogEvent
 * @property {string} installation_id UUID of the browser profile
 * @property {string} event_name what happened, "ui_event" for a click
 * @property {number} timestamp_ns when it happened, nanoseconds since 1970 with the precision of Date.now()
 * @property {{componentId?: string, [name: string]: unknown}} params what it happened to
 */

/**
 * One event as it travels to the server.
 *
 * @typedef {LogEvent & {session_id: string}} Record
 */

/**
 * What the server answers to a GET.
 *
 * @typedef {object} Config
 * @property {boolean} disable_ui_telemetry no event of anybody is wanted
 * @property {string[]} disable_ui_events component ids whose events are not wanted
 * @property {number} ui_rollout_percentage share of workers that send, 0 to 100, as fine as 12.345678
 */

/** @typedef {{type: typeof LOG_EVENT, payload: LogEvent} | {type: typeof SHUTDOWN}} ToWorker */

/** @typedef {{type: typeof READY | typeof SHUTDOWN}} ToTab */
