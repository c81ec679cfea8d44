/**
 * The SharedWorker's script, to be started as `new SharedWorker(url, { type: "module", name: WORKER_NAME })`.
 *
 * @module
 */

import { serveTabs } from "./worker-host.js";

serveTabs();
