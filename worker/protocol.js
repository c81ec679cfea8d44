/**
 * The protocol between tab, worker and server: message types, shapes, and the numbers that both sides
 * depend on. No logic.
 *
 * @module
 */

/** The telemetry endpoint, relative to the worker's script, so that it works below any path prefix of the app. */
export const ENDPOINT_PATH = "../ajax-api/3.0/mlflow/ui-telemetry";

/** Time between two flushes, in milliseconds. A longer interval saves requests and delays records. */
export const FLUSH_INTERVAL_MS = 30_000;

/** Timeout of a POST, in milliseconds. Its records are sent again. */
export const POST_TIMEOUT_MS = 30_000;

/** Pause between a POST and the next one that has something to send, in milliseconds. */
export const MIN_PAUSE_MS = 100;

/** Lower bound of the pause after a request without progress, in milliseconds. */
export const MIN_BACKOFF_MS = 1_000;

/** Upper bound of the backoff after the first failure, in milliseconds. It doubles with every consecutive failure. */
export const FIRST_BACKOFF_MS = 5_000;

/** Upper bound of the backoff for POSTs and for configuration requests, in milliseconds. */
export const MAX_BACKOFF_MS = 15 * 60_000;

/** Upper bound of `Retry-After`, in milliseconds: a misconfigured server must not silence a worker forever. */
export const MAX_RETRY_AFTER_MS = 24 * 3600_000;

/** Time until the configuration is read again, in milliseconds: as long as servers cache their own. */
export const CONFIG_LIFETIME_MS = 3 * 3600_000;

/** Timeout of a configuration request, in milliseconds. */
export const CONFIG_TIMEOUT_MS = 60_000;

/** How long the last configuration holds while none can be read, in milliseconds. It survives the worker. */
export const CONFIG_MEMORY_MS = 7 * 24 * 3600_000;

/** How long a new session waits for a configuration before it applies the one of an earlier session. */
export const CONFIG_GRACE_MS = 2_000;

/** Maximum number of records in one POST: the limit of upstream servers. */
export const MAX_BATCH_RECORDS = 500;

/** Maximum size of the records in one POST, in bytes: half of nginx's default limit for a body. */
export const MAX_BATCH_BYTES = 512 * 1024;

/** Maximum size of the records in a `keepalive` POST, in bytes: browsers allow 64 KiB for the whole request. */
export const MAX_KEEPALIVE_BYTES = 60_000;

/** Maximum number of queued records. Beyond it the oldest are dropped and counted. */
export const MAX_QUEUED_RECORDS = 10_000;

/** Maximum size of all queued records, in bytes. Beyond it the oldest are dropped and counted. */
export const MAX_QUEUED_BYTES = 5 * 1024 * 1024;

/** Maximum size of one record, in bytes: an event describes a click, it does not carry a document. */
export const MAX_RECORD_BYTES = 64 * 1024;

/** Maximum number of events that wait for the configuration or for a worker. Later events are refused. */
export const MAX_WAITING_EVENTS = 10_000;

/** Time until a failed write to the outbox is tried again, in milliseconds. */
export const OUTBOX_RETRY_MS = 5_000;

/** Time after which a transaction of the outbox counts as failed, in milliseconds. */
export const OUTBOX_TIMEOUT_MS = 10_000;

/** First timeout of the tab's watchdog, in milliseconds. It doubles with every consecutive timeout. */
export const ACK_TIMEOUT_MS = 5_000;

/**
 * Name of the worker. Tabs share a worker when both its URL and its name match. A browser refuses to share one between
 * tabs that ask for an extended lifetime and tabs that do not, and an older build knows fewer messages: the name changes
 * with the protocol.
 */
export const WORKER_NAME = "telemetry-worker-2-extended";

/**
 * Time between two checks of a worker without tabs, in milliseconds. It ends when nothing was queued in two checks: a
 * reload finds it alive.
 */
export const LINGER_MS = 5_000;

/** Prefix of database and lock names. The endpoint follows it, because several apps may share an origin. */
export const OUTBOX_NAME_PREFIX = "telemetry-outbox ";

/** localStorage key of the browser profile's id, a UUID. */
export const INSTALLATION_ID_KEY = "mlflow-telemetry-installation-id";

/** localStorage key of the consent. "false" is an opt-out; any other value, or none, is consent. */
export const ENABLED_KEY = "mlflow.settings.telemetry.enabled_v1";

/** Time during which an opt-out may be reported by other tabs that read of it, in milliseconds. */
export const ECHO_MS = 5_000;

/**
 * Time that a browser may need to end a worker whose locks are free, in milliseconds. It connects a tab that comes sooner to
 * the ending worker, and Firefox then connects all later ones to it too, until it has collected the first tab's port.
 */
export const ENDING_MS = 100;

/** Worker → tab: the worker is connected. A tab sends no event before it. */
export const READY = "READY";

/** Tab → worker: one event, in `payload`. */
export const LOG_EVENT = "LOG_EVENT";

/** Tab → worker: several events, in order, in `payload`. */
export const LOG_EVENTS = "LOG_EVENTS";

/**
 * Worker → tab: acknowledges the tab's events up to and including `seq`. They are on disk, unless `durable` is false:
 * then storage is not to be had, and they are in the worker's memory.
 */
export const STORED = "STORED";

/**
 * Tab → worker: page visibility, in `hidden`. When no tab is visible, the worker flushes now: all tabs may close
 * at any moment. `dropped` is the number of events that the tab has refused since its last message.
 *
 * This message, like all of a tab, may have a `lock`: the name of a Web Lock that the tab holds until it ends.
 */
export const VISIBILITY = "VISIBILITY";

/**
 * Tab → worker: consent is withdrawn. Drop everything and accept no more events; the next tab to connect starts a
 * new session.
 * Worker → tab: another tab sent SHUTDOWN.
 * Tab → all workers of the origin, on a BroadcastChannel named like the consent's key in localStorage: the same, for
 * workers of other builds and those without a tab. `id` tells that two messages are one opt-out and whose it is;
 * `unstored` that localStorage is full, so that the tabs cannot read it there; `echo` that the tab has only read of
 * the opt-out, which came with its id within {@link ECHO_MS} if it was a tab of this build that withdrew consent;
 * `timeMs` when consent was withdrawn, as of `Date.now()`, where the tab knows it: a worker that hears of it late deletes
 * no records of sessions that began later. By default, that is later than its own.
 */
export const SHUTDOWN = "SHUTDOWN";

/**
 * One event as a tab sends it. The worker adds `tab_id` and `seq` where they are missing.
 *
 * @typedef {object} LogEvent
 * @property {string} installation_id UUID of the browser profile
 * @property {string} event_name kind of event, "ui_event" for a click
 * @property {number} timestamp_ns time of the event, nanoseconds since 1970 with the precision of Date.now()
 * @property {{componentId?: string, [name: string]: unknown}} params details, such as the component that was clicked
 * @property {string} [tab_id] UUID of the tab, new on every page load
 * @property {number} [seq] sequence number of the event in its tab, from 0. `(tab_id, seq)` identifies the event:
 *   a server stores each pair once, and a gap in `seq` shows a loss
 */

/**
 * One event as the worker posts it.
 *
 * @typedef {LogEvent & {session_id: string}} Record
 */

/**
 * Counters posted with every batch: the events of this session that are never posted, as totals since it began.
 *
 * @typedef {object} Losses
 * @property {string} session_id UUID of the session
 * @property {number} dropped events dropped by sampling, by a bound, without configuration, or because the server
 *   rejected them
 * @property {number} filtered events excluded by `disable_ui_events`
 */

/**
 * The server's response to a GET. Only the first property is required.
 *
 * @typedef {object} Config
 * @property {boolean} disable_ui_telemetry true disables telemetry for everyone
 * @property {string[]} [disable_ui_events] ids of the components whose events are excluded
 * @property {number} [ui_rollout_percentage] percentage of workers that send, 0 to 100, with decimals such as 12.345678
 * @property {string[]} [accept_encodings] content codings that the server accepts in a POST; the worker knows "gzip"
 */

/** @typedef {{type: typeof LOG_EVENT, payload: LogEvent}} LogEventMessage */

/** @typedef {{type: typeof LOG_EVENTS, payload: LogEvent[]}} LogEventsMessage */

/** @typedef {{type: typeof VISIBILITY, hidden: boolean, dropped?: number}} VisibilityMessage */

/** @typedef {{type: typeof SHUTDOWN, id?: string, unstored?: boolean, echo?: true, timeMs?: number}} ShutdownMessage */

/** @typedef {(LogEventMessage | LogEventsMessage | VisibilityMessage | ShutdownMessage) & {lock?: string}} ToWorker */

/** @typedef {{type: typeof STORED, seq: number, durable?: false}} StoredMessage */

/** @typedef {{type: typeof READY, lock: string} | StoredMessage | ShutdownMessage} ToTab */
