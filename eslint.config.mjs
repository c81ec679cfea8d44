// ESLint's configuration for all JavaScript of this repository; scripts/check runs it through npx.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// npx installs ESLint outside the repository: its packages are resolved from ESLint's own place.
const require = createRequire(process.argv[1]);
const js = require("@eslint/js");

// What the parts of a prologue may name: the browser's globals that globals.js reads, and what other parts declare.
const INJECTED = "pytest_sharedworker/injected";
const [, read] = readFileSync(new URL(`${INJECTED}/globals.js`, import.meta.url), "utf8").split("const {");
const shared = `announcements control evaluate eval formatConsoleText hideEntries inlineWorkers installDates
  installXhrTimeouts listTransferred listen locks makeTimers messages ownLocks ports readOnce replace requests restoreSocketUrl
  scope settings sockets streams then toTexts values work
  self window document undefined Infinity NaN`;
const names = [...read.split("}")[0].matchAll(/\w+/g), ...shared.matchAll(/\w+/g)].map(String);
const unknown = Object.getOwnPropertyNames(globalThis).map((name) => [name, "off"]);
const globals = Object.fromEntries([...unknown, ...names.map((name) => [name, "readonly"])]);

export default [
  { ignores: ["worker/dist/", `${INJECTED}/globals.js`] },
  {
    files: [
      "worker/**/*.js",
      "pytest_sharedworker/injected/*.js",
      "pytest_sharedworker/inspector/view/*.js",
      "e2e/conformance/report/formats/*.js",
    ],
    rules: {
      ...js.configs.recommended.rules,
      "no-undef": "off", // tsc checks names.
      camelcase: ["error", { allow: ["_id$", "_name$", "_ns$"] }], // The fields of a record.
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      semi: "error",
    },
  },
  {
    // Parts of a prologue are scripts that share their names.
    files: [`${INJECTED}/*.js`],
    languageOptions: { ecmaVersion: 2022, sourceType: "script", globals },
    rules: {
      camelcase: "error",
      curly: "error",
      "no-undef": "error",
      "no-redeclare": "off", // One of the parts declares a shared name.
      "no-unused-vars": ["error", { vars: "local" }],
    },
  },
];
