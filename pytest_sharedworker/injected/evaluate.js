// Evaluates JavaScript for the plugin. DevTools use this part with values.js alone, in any worker.
const evaluate = (() => {
  // Saved before the worker's script runs: replacing it must not change what a test sees.
  const globalEval = eval;
  // Sees what a module declares at its top level; strict, like the module.
  const evaluateText = (/** @type {string} */ text) => (scope.evaluate ?? globalEval)(text);

  const isExpression = (/** @type {string} */ text) => {
    try {
      new Function(`(${text}\n)`);
      return true;
    } catch {
      return false;
    }
  };

  /**
   * Evaluates an expression, calls a function with the argument, or runs statements and returns the value of the
   * last one. Awaits promises.
   *
   * @param {string} text
   * @param {unknown} argument as JSON
   * @returns {Promise<unknown>} the value as JSON
   */
  return async (text, argument) => {
    let value = evaluateText(isExpression(text) ? `(${text}\n)` : text);
    if (typeof value === "function") {
      value = value(values.decode(argument));
    }
    return values.encode(await value);
  };
})();
