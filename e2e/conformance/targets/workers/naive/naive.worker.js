/**
 * What one would write first: every event leaves at once, in a request of its own, and what fails is gone.
 * It keeps the protocol's messages and its switches, but neither batches nor tries again.
 */
"use strict";

const ENDPOINT = new URL("../ajax-api/3.0/mlflow/ui-telemetry", self.location.href);
const SESSION_ID = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
  byte.toString(16).padStart(2, "0"),
).join("");
const SAMPLE = Math.random() * 100;

/** Settles with the configuration, or null where there is none that can be read. */
const configuration = fetch(ENDPOINT).then(
  (answer) => (answer.ok ? answer.json().catch(() => null) : null),
  () => null,
);

let stopped = false;

async function send(payload) {
  const config = await configuration;
  if (stopped || !isWanted(config, payload)) return;
  const body = JSON.stringify({ records: [{ ...payload, session_id: SESSION_ID }] });
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(ENDPOINT, { method: "POST", headers, body });
    if ((await answer.json()).status === "disabled") stopped = true;
  } catch {
    // Lost: there is no queue to put it back into.
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
