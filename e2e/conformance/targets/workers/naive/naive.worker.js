/**
 * A first draft of a worker: it sends each event at once in a separate request, and loses it if that fails.
 * It implements the protocol's messages and its configuration, but no batches and no retries.
 */
"use strict";

const ENDPOINT = new URL("../ajax-api/3.0/mlflow/ui-telemetry", self.location.href);
const SESSION_ID = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
  byte.toString(16).padStart(2, "0"),
).join("");
const SAMPLE = Math.random() * 100;

/** Resolves to the configuration, or to null if it cannot be read. */
const configuration = fetch(ENDPOINT).then(
  (response) => (response.ok ? response.json().catch(() => null) : null),
  () => null,
);

let stopped = false;

async function send(payload) {
  const config = await configuration;
  if (stopped || !isWanted(config, payload)) return;
  const body = JSON.stringify({ records: [{ ...payload, session_id: SESSION_ID }] });
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(ENDPOINT, { method: "POST", headers, body });
    if ((await response.json()).status === "disabled") stopped = true;
  } catch {
    // The event is lost: this worker has no queue.
  }
}

function isWanted(config, payload) {
  if (config?.disable_ui_telemetry !== false) return false;
  if (!(SAMPLE < (config.ui_rollout_percentage ?? 0))) return false;
  return !(config.disable_ui_events ?? []).includes(payload?.params?.componentId);
}

self.addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data?.type === "LOG_EVENT") {
      void send(data.payload);
    } else if (data?.type === "SHUTDOWN") {
      stopped = true;
      self.close();
    }
  };
  port.postMessage({ type: "READY" });
});
