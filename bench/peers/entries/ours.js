// Runs after the bundle, which defines createTelemetryClient.
self.ready = new Promise((resolve) => {
  const telemetry = self.createTelemetryClient({ onStateChange: (state) => state === "worker" && resolve() });
  self.log = (event) => telemetry.logEvent(event);
});
