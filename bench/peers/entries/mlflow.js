// MLflow's own worker, spoken to as its page does: one message an event.
const { port } = new SharedWorker("/mlflow/telemetry.worker.js", { name: "telemetry-worker" });
self.ready = new Promise((resolve) => {
  port.onmessage = ({ data }) => data?.type === "READY" && resolve();
});
const installation_id = "00000000-0000-4000-8000-000000000000";
self.log = (params) =>
  port.postMessage({
    type: "LOG_EVENT",
    payload: { installation_id, event_name: "ui_event", timestamp_ns: Date.now() * 1e6, params },
  });
