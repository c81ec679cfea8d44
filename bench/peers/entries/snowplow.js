import { newTracker, trackSelfDescribingEvent } from "@snowplow/browser-tracker";

newTracker("bench", location.origin, { appId: "bench", eventMethod: "post", bufferSize: 1 });
const schema = "iglu:bench/ui_event/jsonschema/1-0-0";
self.log = (data) => trackSelfDescribingEvent({ event: { schema, data } });
