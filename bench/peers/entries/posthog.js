import posthog from "posthog-js";

posthog.init("bench", {
  api_host: `${location.origin}/posthog`,
  autocapture: false,
  capture_pageview: false,
  capture_pageleave: false,
  disable_session_recording: true,
  disable_surveys: true,
  advanced_disable_flags: true,
  disable_external_dependency_loading: true,
  // It ignores a headless browser otherwise.
  opt_out_useragent_filter: true,
  // 2,000 events in one task are a burst that its client would refuse otherwise.
  rate_limiting: { events_per_second: 10_000, events_burst_limit: 100_000 },
});
self.log = (event) => posthog.capture("ui_event", event);
