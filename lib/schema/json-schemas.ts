import * as z from "zod";
import { pluginConfigSchema } from "../cni/config.ts";
import { ruleSetSchema } from "../policy/rule-set.ts";
import { KEY_NOTES } from "./descriptions.ts";

/** What there are JSON Schemas of. */
export type SchemaName = "rule-set" | "plugin";

type JsonSchema = z.core.JSONSchema.BaseSchema;

/**
 * The JSON Schema, draft 2020-12, of what people write, from the very schema that parses it, with notes for editors. It
 * takes all that parses, and more: it cannot check addresses, ports in a text, and times.
 */
export function jsonSchemaOf(name: SchemaName): JsonSchema {
  return name === "rule-set" ? ruleSetJsonSchema() : pluginJsonSchema();
}

function ruleSetJsonSchema(): JsonSchema {
  const { $schema, anyOf = [], ...rest } = generate(ruleSetSchema);
  const titles = ["One rule", "A list of rules", "Rules with a mode, an expiry and a description"];
  return {
    ...($schema === undefined ? {} : { $schema }),
    $id: "urn:cni-outbound:schema:rule-set",
    title: "outbound: a rule set",
    description: "The value of a key below outbound/rules/ in Consul KV.",
    ...rest,
    anyOf: anyOf.map((form, index) => ({ title: titles[index] ?? "", ...form })),
  };
}

function pluginJsonSchema(): JsonSchema {
  const { $schema, ...rest } = generate(pluginConfigSchema);
  return {
    ...($schema === undefined ? {} : { $schema }),
    $id: "urn:cni-outbound:schema:plugin",
    title: "outbound: the plugin's object in a conflist",
    description: "CNI's own keys, and those that plugins of one chain share, may stand beside these.",
    ...rest,
  };
}

function generate(schema: z.core.$ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: "input",
    override: ({ jsonSchema }) => {
      for (const [key, property] of Object.entries(jsonSchema.properties ?? {})) {
        if (typeof property === "object") Object.assign(property, KEY_NOTES[key], key === "port" && PORT);
      }
    },
  });
}

/** The schema that parses takes any number: what `parsePorts` says of a wrong one says more. */
const PORT: JsonSchema = { anyOf: [{ type: "string" }, { type: "integer", minimum: 0, maximum: 65_535 }] };
