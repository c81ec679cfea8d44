const { port } = new SharedWorker("/sketch/sketch.worker.js");
self.log = (event) => port.postMessage(event);
