import { defineConfig } from "oxlint";

/**
 * The purity line: path = purity. Under lib/ only lib/host/ touches the world, only cmd/ reads the environment and ends
 * the process, and every interval outside lib/host/ goes through the clock port.
 */
const impureCrypto = ["randomBytes", "randomInt", "randomUUID", "randomFill", "randomFillSync", "getRandomValues"];
const worldPackages = ["consul", "execa", "pino", "prom-client", "yargs", "yargs/*"];

const clockGlobals = ["setTimeout", "setInterval", "setImmediate", "performance"].map((name) => ({
  name,
  message: "Time goes through the clock port (lib/host/).",
}));
const worldGlobals = ["process", "console", "fetch", "crypto", "WebSocket", "globalThis", "global", "require"].map(
  (name) => ({ name, message: "Pure code does not touch the world: take what it needs as an argument." }),
);
const runtimeGlobals = [{ name: "Bun", message: "Sources run on Node.js too: node: modules only." }];

const impureProperties = [
  { object: "Date", property: "now", message: "Time goes through the clock port (lib/host/)." },
  { object: "Math", property: "random", message: "Take randomness as an argument." },
];
const entryProperties = ["env", "exit", "exitCode", "argv", "stdin", "stdout", "stderr"].map((property) => ({
  object: "process",
  property,
  message: "Only cmd/ reads the environment, holds the standard streams and ends the process.",
}));

const processModule = {
  name: "node:process",
  message: "Only cmd/ reads the environment and ends the process.",
};
const outOfSources = {
  regex: "^\\.\\.?/(.*/)?(test|deploy|nomad)/",
  message: "Sources do not import tests or deployment.",
};
const entryFolder = { regex: "^\\.\\.?/(.*/)?cmd/", message: "Nothing imports the entry." };

export default defineConfig({
  plugins: ["eslint", "typescript", "unicorn", "oxc", "import", "promise", "node", "vitest"],
  jsPlugins: ["./test/gate/purity-rules.ts"],
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: "error" },
  ignorePatterns: ["dist/", "test/gate/wrong/"],
  categories: { correctness: "error", suspicious: "error" },
  rules: {
    eqeqeq: "error",
    "no-console": "error",
    "no-param-reassign": "error",
    "consistent-return": "off", // The compiler proves it, by exhausted unions.
    "no-shadow": "off",
    "no-underscore-dangle": "off",
    "no-await-in-loop": "off",
    "unicorn/consistent-function-scoping": "off",
    "prefer-const": "error",
    "no-var": "error",
    "max-lines": ["error", { max: 250 }],
    "import/no-cycle": "error",
    "import/no-unassigned-import": "off",
    "no-restricted-globals": ["error", ...runtimeGlobals],
    "typescript/ban-ts-comment": "error",
    "typescript/consistent-type-assertions": ["error", { assertionStyle: "never" }],
    "typescript/consistent-type-imports": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/no-unsafe-argument": "error",
    "typescript/no-unsafe-assignment": "error",
    "typescript/no-unsafe-call": "error",
    "typescript/no-unsafe-member-access": "error",
    "typescript/no-unsafe-return": "error",
    "typescript/only-throw-error": "error",
    "typescript/return-await": "error",
    "unicorn/prefer-node-protocol": "error",
    "typescript/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
  },
  overrides: [
    {
      files: ["lib/**"],
      excludeFiles: ["lib/host/**"],
      rules: {
        "no-restricted-globals": ["error", ...runtimeGlobals, ...clockGlobals, ...worldGlobals],
        "no-restricted-properties": ["error", ...impureProperties],
        "purity/no-current-date": "error",
        "no-restricted-imports": [
          "error",
          {
            paths: [
              { name: "node:crypto", importNames: impureCrypto, message: "Take randomness as an argument." },
              ...worldPackages.map((name) => ({
                name,
                message: "This package touches the world: lib/host/ wraps it.",
              })),
            ],
            patterns: [
              {
                group: ["node:*", "node:*/**", "bun:*", "!node:crypto", "!node:util"],
                message: "Pure code uses no module that touches the world: lib/host/ does.",
              },
              {
                regex: "^\\.\\.?/(.*/)?host/",
                allowTypeImports: true,
                message: "Pure code takes a port as an argument: import its type only.",
              },
              { regex: "^\\.\\.?/(.*/)?watcher/", message: "lib/ does not know the watcher." },
              entryFolder,
              outOfSources,
            ],
          },
        ],
      },
    },
    {
      files: ["lib/host/**"],
      rules: {
        "no-restricted-properties": ["error", ...entryProperties],
        "no-restricted-imports": [
          "error",
          {
            paths: [processModule],
            patterns: [
              { regex: "^\\.\\.?/(.*/)?watcher/", message: "lib/ does not know the watcher." },
              entryFolder,
              outOfSources,
            ],
          },
        ],
      },
    },
    {
      files: ["watcher/**"],
      rules: {
        "no-restricted-globals": ["error", ...runtimeGlobals, ...clockGlobals],
        "no-restricted-properties": ["error", ...impureProperties, ...entryProperties],
        "purity/no-current-date": "error",
        "no-restricted-imports": ["error", { paths: [processModule], patterns: [entryFolder, outOfSources] }],
      },
    },
    {
      files: ["cmd/**"],
      rules: {
        "no-console": "off",
        "no-restricted-imports": ["error", { patterns: [outOfSources] }],
      },
    },
    { files: ["deploy/**"], rules: { "no-console": "off" } },
    { files: ["test/**"], rules: { "no-console": "off", "max-lines": "off" } },
    {
      // Plain JavaScript has no types to be safe by.
      files: ["**/*.mjs"],
      rules: {
        "typescript/no-unsafe-argument": "off",
        "typescript/no-unsafe-assignment": "off",
        "typescript/no-unsafe-call": "off",
        "typescript/no-unsafe-member-access": "off",
        "typescript/no-unsafe-return": "off",
      },
    },
  ],
});
