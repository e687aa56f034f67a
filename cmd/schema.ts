import type { ArgumentsCamelCase, Argv } from "yargs";
import { jsonSchemaOf } from "../lib/schema/json-schemas.ts";
import { examples } from "./examples.ts";
import { jsonOption } from "./options.ts";
import { printJson } from "./print.ts";

export const command = "schema <name>";
export const describe = "Print the JSON Schema of a rule set or of the plugin's object";

export function builder(yargs: Argv) {
  return jsonOption(yargs)
    .positional("name", {
      choices: ["rule-set", "plugin"] as const,
      demandOption: true,
      describe: "Of a value in KV, or of the plugin's object in a conflist",
    })
    .epilogue(
      [
        ...examples({
          "for an editor": "$0 schema rule-set > schema.json",
          "the plugin's keys": "$0 schema plugin | jq .properties",
        }),
        "Generated from the schemas that the watcher and the plugin parse with. It takes",
        "all that they take and more, as it cannot check addresses, ports and times:",
        "outbound rules validate does. A rule set with rules, and the plugin's object,",
        'may name it: { "$schema": "./schema.json", "rules": [] }',
        "",
        "It is JSON with and without --json.",
      ].join("\n"),
    );
}

type SchemaArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export function handler({ name }: SchemaArguments): void {
  printJson(jsonSchemaOf(name));
}
