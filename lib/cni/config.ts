import * as z from "zod";
import type { StaticPolicy } from "../policy/attachment.ts";
import { expected, toIssues } from "../policy/issue.ts";
import type { Parsed } from "../policy/issue.ts";
import { actionSchema, ruleSchema } from "../policy/rule.ts";
import { orList, show } from "../policy/show.ts";
import { expectedWord, unknownKeys } from "../policy/unknown-keys.ts";
import { MAX_CHAIN_NAME_BYTES, CHAIN_NAME_PATTERN, mainChainIssue } from "./chain-name.ts";
import { ABSOLUTE_PATH, DEFAULTS } from "./defaults.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import { formatIssues } from "./format-issues.ts";
import type { JsonObject } from "./json-object.ts";
import { ruleLimitIssue } from "./rule-limit.ts";

/** What becomes of the rules that a job passes in CNI_ARGS. */
export type JobRulesMode = "accept" | "deny-only" | "ignore";

export interface Logging {
  readonly enable: boolean;
  /** Absolute. */
  readonly directory: string;
}

/** The plugin's object of the conflist, parsed. */
export interface PluginConfig {
  readonly policy: StaticPolicy;
  readonly jobRules: JobRulesMode;
  readonly backend: "iptables";
  readonly logging: Logging;
  /** Absolute. */
  readonly stateDir: string;
  /** Absolute. */
  readonly cacheDir: string;
}

/**
 * Parse the plugin's object with all that libcni put into it. Every issue is told, not only the first.
 *
 * @throws {CniError} code 7 where it does not validate, code 2 where it asks for a backend that is not built yet
 */
export function parsePluginConfig(config: JsonObject): PluginConfig {
  const parsed = readPluginConfig(config);
  if (!parsed.ok) {
    throw new CniError(`Cannot parse plugin configuration: ${formatIssues(parsed.issues)}`, {
      code: CNI_ERROR.invalidConfig,
    });
  }
  const data = parsed.value;
  if (data.backend === "nftables") {
    throw new CniError(`Cannot use backend: ${NO_NFTABLES}`, { code: CNI_ERROR.unsupportedField });
  }
  return {
    policy: {
      mainChain: data.chainName ?? data.mainChainName ?? DEFAULTS.mainChain,
      defaultAction: data.defaultAction ?? DEFAULTS.defaultAction,
      staticRules: data.outboundRules,
      initialRules: data.runtimeRules,
      hostTraffic: data.hostTraffic,
      logDenied: data.logDenied,
    },
    jobRules: data.jobRules,
    backend: data.backend,
    logging: {
      enable: data.logging?.enable ?? false,
      directory: data.logging?.directory ?? DEFAULTS.logDirectory,
    },
    stateDir: data.stateDir,
    cacheDir: data.cacheDir,
  };
}

/** Why `parsePluginConfig` refuses the backend that the schema knows already. */
export const NO_NFTABLES = "nftables is not built yet, expected iptables";

/** The plugin's object as its schema reads it, CNI's own keys left out. Never throws. */
export function readPluginConfig(config: JsonObject): Parsed<z.output<typeof pluginConfigSchema>> {
  try {
    const result = pluginConfigSchema.safeParse(withoutForeignKeys(config));
    return result.success ? { ok: true, value: result.data } : { ok: false, issues: toIssues(result.error) };
  } catch (error) {
    // zod passes issues on as arguments of one call: some 100,000 of them overflow the stack.
    if (!(error instanceof RangeError)) throw error;
    return { ok: false, issues: [{ path: "$", message: "found more wrong entries than can be listed" }] };
  }
}

/** CNI's own keys, those that plugins of one chain commonly share, and an editor's. They are not ours to judge. */
const FOREIGN_KEY =
  /^(?:\$schema|cniVersion|name|type|prevResult|runtimeConfig|capabilities|args|ipam|dns|ipMasq|disableCheck|cni\.dev\/.*)$/;

function withoutForeignKeys(config: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !FOREIGN_KEY.test(key)));
}

const chainName = z
  .string({ error: expected("a chain's name") })
  .meta({ pattern: CHAIN_NAME_PATTERN.source, minLength: 1, maxLength: MAX_CHAIN_NAME_BYTES })
  .superRefine((name, context) => {
    const issue = mainChainIssue(name);
    if (issue !== undefined) context.addIssue({ code: "custom", message: issue });
  });

const directory = z
  .string({ error: expected("an absolute path") })
  .regex(ABSOLUTE_PATH, { error: expected("an absolute path") });

const rules = z.array(ruleSchema, { error: expected("a list of rules") });

const isOn = z.boolean({ error: expected("true or false") });

const loggingKeys = { enable: isOn.optional(), directory: directory.optional() };

const logging = z.strictObject(loggingKeys, {
  error: unknownKeys("an object with enable and directory", {
    known: Object.keys(loggingKeys),
    aliases: { enabled: "enable", on: "enable", path: "directory", logdir: "directory" },
  }),
});

const ownKeys = {
  chainName: chainName.optional(),
  mainChainName: chainName.optional(),
  defaultAction: actionSchema.optional(),
  outboundRules: rules.prefault([]),
  runtimeRules: rules.prefault([]),
  hostTraffic: word(["filter", "allow"]).default(DEFAULTS.hostTraffic),
  jobRules: word(["accept", "deny-only", "ignore"]).default(DEFAULTS.jobRules),
  logDenied: isOn.default(false),
  backend: word(["iptables", "nftables"]).default(DEFAULTS.backend),
  logging: logging.optional(),
  stateDir: directory.default(DEFAULTS.stateDir),
  cacheDir: directory.default(DEFAULTS.cacheDir),
};

const aliases = {
  chain: "chainName",
  mainchain: "chainName",
  action: "defaultAction",
  policy: "defaultAction",
  rules: "outboundRules",
  staticrules: "outboundRules",
  outbound: "outboundRules",
  log: "logging",
  statedirectory: "stateDir",
  cachedirectory: "cacheDir",
};

/** Our own keys; its JSON Schema lets CNI's through by their pattern. */
export const pluginConfigSchema = z
  .strictObject(ownKeys, { error: unknownKeys("the plugin's object", { known: Object.keys(ownKeys), aliases }) })
  .superRefine(({ chainName, mainChainName, outboundRules, runtimeRules }, context) => {
    if (mainChainName !== undefined && (chainName ?? mainChainName) !== mainChainName) {
      const message = `found ${show(mainChainName)} beside chainName ${show(chainName)}, expected one of the two keys`;
      context.addIssue({ code: "custom", path: ["mainChainName"], message });
    }
    const tooMany = ruleLimitIssue([...outboundRules, ...runtimeRules]);
    if (tooMany !== undefined) context.addIssue({ code: "custom", path: ["outboundRules"], message: tooMany });
  })
  .meta({ patternProperties: { [FOREIGN_KEY.source]: {} } });

function word<const T extends readonly string[]>(words: T) {
  return z.enum(words, { error: expectedWord(orList(words), { known: words, aliases: {} }) });
}
