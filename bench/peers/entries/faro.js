// Events only: the instrumentations of errors, vitals and sessions cost no call of pushEvent.
import { initializeFaro } from "@grafana/faro-web-sdk";

const faro = initializeFaro({
  url: `${location.origin}/faro/collect`,
  app: { name: "bench" },
  instrumentations: [],
  dedupe: false,
});
self.log = (event) =>
  faro.api.pushEvent("ui_event", Object.fromEntries(Object.entries(event).map(([key, value]) => [key, String(value)])));
