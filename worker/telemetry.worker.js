/**
 * The SharedWorker's entry script. Start it with `new SharedWorker(url, { type: "module", name: WORKER_NAME })`.
 *
 * @module
 */

import { serveTabs } from "./worker-host.js";

serveTabs();
