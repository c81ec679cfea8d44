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

/** A POST without an answer is given up after this, in milliseconds, and its records are sent again. */
export const POST_TIMEOUT_MS = 30_000;

/** The longest pause between two attempts, of a POST or of a configuration request, in milliseconds. */
export const MAX_BACKOFF_MS = 15 * 60_000;

/** The longest pause that a server may ask for, in milliseconds: a slip of its hand must not silence a worker for good. */
export const MAX_RETRY_AFTER_MS = 24 * 3600_000;

/** How long a configuration holds before it is read again, in milliseconds: as long as a server keeps its own. */
export const CONFIG_LIFETIME_MS = 3 * 3600_000;

/** A configuration request without an answer is given up after this, in milliseconds. */
export const CONFIG_TIMEOUT_MS = 60_000;

/** Most records of one POST: what servers upstream take at once. */
export const MAX_BATCH_RECORDS = 500;

/** Most bytes of the records of one POST: half of what nginx takes where nothing else is configured. */
export const MAX_BATCH_BYTES = 512 * 1024;

/** Most bytes of a POST that may outlive its tabs: browsers allow `keepalive` 64 KiB with all that is around. */
export const MAX_KEEPALIVE_BYTES = 60_000;

/** Most records that wait; the oldest are dropped, and counted. */
export const MAX_QUEUED_RECORDS = 10_000;

/** Most bytes of records that wait. */
export const MAX_QUEUED_BYTES = 5 * 1024 * 1024;

/** Most bytes of one record: an event is a click, not a document. */
export const MAX_RECORD_BYTES = 64 * 1024;

/** How many events may wait for a configuration or a worker that does not come; later ones are refused. */
export const MAX_WAITING_EVENTS = 10_000;

/** First wait for a worker's word, in milliseconds; every further attempt waits twice as long. */
export const ANSWER_TIMEOUT_MS = 5_000;

/** Name of the worker. Tabs share a worker when its URL and its name are the same. */
export const WORKER_NAME = "telemetry-worker";

/** Begins the names of databases and locks; behind it stands the endpoint, since apps may share an origin. */
export const OUTBOX_NAME = "telemetry-outbox ";

/** localStorage key of the id that stands for this browser profile, a UUID. */
export const INSTALLATION_ID_KEY = "mlflow-telemetry-installation-id";

/** localStorage key of the consent: "false" is an opt-out, anything else and nothing at all is on. */
export const ENABLED_KEY = "mlflow.settings.telemetry.enabled_v1";

/** Worker → tab: the port is served. A tab sends no event before it. */
export const READY = "READY";

/** Tab → worker: one event, in `payload`. */
export const LOG_EVENT = "LOG_EVENT";

/** Worker → tab: the tab's events up to `seq` need not be kept any longer. */
export const STORED = "STORED";

/**
 * Tab → worker: whether somebody looks at this tab, in `isAway`. Where nobody looks at any, what is queued
 * leaves at once: all of them may be gone in a moment.
 */
export const LOOK = "LOOK";

/**
 * Tab → worker: consent was withdrawn; drop everything and take nothing more. Who connects after it
 * begins a new session.
 * Worker → tab: a tab said so.
 */
export const SHUTDOWN = "SHUTDOWN";

/**
 * One event as a tab tells it to the worker. Where a tab gives no `tab_id` and `seq` the worker does.
 *
 * @typedef {object} LogEvent
 * @property {string} installation_id UUID of the browser profile
 * @property {string} event_name what happened, "ui_event" for a click
 * @property {number} timestamp_ns when it happened, nanoseconds since 1970 with the precision of Date.now()
 * @property {{componentId?: string, [name: string]: unknown}} params what it happened to
 * @property {string} [tab_id] UUID of the tab, made anew with every page
 * @property {number} [seq] the event's place among those of its tab, from 0. The two are its identity: a server
 *   stores a pair once however often it comes, and a gap is a loss
 */

/**
 * One event as it travels to the server.
 *
 * @typedef {LogEvent & {session_id: string}} Record
 */

/**
 * What travels beside the records: how many of this session's events will never come, in all so far.
 *
 * @typedef {object} Losses
 * @property {string} session_id
 * @property {number} dropped lost to a bound, or refused by the server
 * @property {number} filtered left out because of `disable_ui_events`
 */

/**
 * What the server answers to a GET; all but the first value may be missing.
 *
 * @typedef {object} Config
 * @property {boolean} disable_ui_telemetry no event of anybody is wanted
 * @property {string[]} [disable_ui_events] component ids whose events are not wanted
 * @property {number} [ui_rollout_percentage] share of workers that send, 0 to 100, as fine as 12.345678
 * @property {string[]} [accept_encodings] in which bodies may be compressed; "gzip" is known
 */

/** @typedef {{type: typeof LOG_EVENT, payload: LogEvent} | {type: typeof LOOK, isAway: boolean} | {type: typeof SHUTDOWN}} ToWorker */

/** @typedef {{type: typeof READY, lock: string} | {type: typeof STORED, seq: number} | {type: typeof SHUTDOWN}} ToTab */
