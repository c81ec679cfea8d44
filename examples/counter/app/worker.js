// Count the clicks of all tabs, send every tab the sum, and save it on the server every ten seconds.
const SAVE_INTERVAL_MS = 10_000;
const ports = [];
let clicks = 0;
let saved = 0;

onconnect = ({ ports: [port] }) => {
  ports.push(port);
  port.onmessage = () => {
    clicks += 1;
    for (const each of ports) {
      each.postMessage(clicks);
    }
  };
  port.postMessage(clicks);
};

setInterval(async () => {
  if (clicks === saved) {
    return;
  }
  const sum = clicks;
  try {
    await fetch("save", { method: "POST", body: String(sum) });
    saved = sum;
    console.info(`saved ${sum}`);
  } catch (error) {
    console.warn(`could not save ${sum}`);
  }
}, SAVE_INTERVAL_MS);
