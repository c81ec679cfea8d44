// ESLint's configuration for all JavaScript of this repository; scripts/check runs it through npx.
import { createRequire } from "node:module";

// npx installs ESLint outside the repository: its packages are resolved from ESLint's own place.
const require = createRequire(process.argv[1]);
const js = require("@eslint/js");

export default [
  { ignores: ["worker/dist/"] },
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
    files: ["pytest_sharedworker/injected/*.js"],
    languageOptions: { sourceType: "script" },
    rules: { camelcase: "error", curly: "error", "no-unused-vars": ["error", { vars: "local" }] },
  },
];
