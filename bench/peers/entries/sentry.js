import * as Sentry from "@sentry/browser";

Sentry.init({ dsn: `http://bench@${location.host}/sentry/1`, enableLogs: true });
self.log = (event) => Sentry.logger.info("ui_event", event);
