import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

const analytics = new RudderAnalytics();
self.ready = new Promise((resolve) => {
  analytics.ready(resolve);
  analytics.load("bench", `${location.origin}/rudderstack`, {
    configUrl: `${location.origin}/rudderstack`,
  });
});
self.log = (event) => analytics.track("ui_event", event);
