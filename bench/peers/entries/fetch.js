// One request an event, and nothing else.
self.log = (event) =>
  fetch("/fetch/events", { method: "POST", keepalive: true, body: JSON.stringify(event) }).catch(() => {});
