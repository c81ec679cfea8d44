import { datadogLogs } from "@datadog/browser-logs";

datadogLogs.init({
  clientToken: "bench",
  site: "datadoghq.com",
  proxy: `${location.origin}/datadog/proxy`,
  forwardErrorsToLogs: false,
});
self.log = (event) => datadogLogs.logger.info("ui_event", event);
