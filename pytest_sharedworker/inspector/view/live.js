// The connection to the test: its events and its state come in, commands go out.
/** @import { InspectorEvent } from "./model.js" */

/** @typedef {{ events: InspectorEvent[], lost: number }} Batch */

/**
 * @param {object} handlers
 * @param {(batch: Batch) => void} handlers.onBatch
 * @param {(state: any) => void} handlers.onState
 * @param {(text: string) => void} handlers.onConnection
 */
export const connect = ({ onBatch, onState, onConnection }) => {
  const source = new EventSource("events");
  source.addEventListener("open", () => onConnection(""));
  source.addEventListener("message", ({ data }) => onBatch(JSON.parse(data)));
  source.addEventListener("state", ({ data }) => onState(JSON.parse(data)));
  source.addEventListener("end", ({ data }) => {
    source.close();
    onBatch(JSON.parse(data));
    onState({ isPaused: false });
    onConnection("The test has ended.");
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      onConnection("The test has ended.");
    } else {
      onConnection("The connection to the test is lost.");
    }
  });
};

/**
 * Sends a command and returns its result. Throws an error with the reason where it fails.
 *
 * @param {string} name
 * @param {Record<string, unknown>} [args]
 * @returns {Promise<any>}
 */
export const sendCommand = async (name, args = {}) => {
  const response = await fetch("commands", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name, arguments: args }),
  });
  const { result, error } = await response.json();
  if (error !== undefined) {
    throw new Error(error);
  }
  return result;
};
