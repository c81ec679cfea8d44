// A bare SharedWorker: no consent, no acknowledgement, no retry.
let events = [];
onconnect = ({ ports: [port] }) => { port.onmessage = ({ data }) => events.push(data); };
setInterval(() => events.length && fetch("events", { method: "POST", body: JSON.stringify(events.splice(0)) }), 1000);
