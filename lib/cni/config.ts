import * as z from "zod";
import type { StaticPolicy } from "../policy/attachment.ts";
import { expected, toIssues } from "../policy/issue.ts";
import { actionSchema, ruleSchema } from "../policy/rule.ts";
import { show } from "../policy/show.ts";
import { unknownKeys } from "../policy/unknown-keys.ts";
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
  const result = pluginConfigSchema.safeParse(withoutForeignKeys(config));
  if (!result.success) {
    throw new CniError(`Cannot parse plugin configuration: ${formatIssues(toIssues(result.error))}`, {
      code: CNI_ERROR.invalidConfig,
    });
  }
  const { data } = result;
  if (data.backend === "nftables") {
    throw new CniError("Cannot use backend: nftables is not built yet, expected iptables", {
      code: CNI_ERROR.unsupportedField,
    });
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

/** CNI's own keys, and those that plugins of one chain commonly share. They are not ours to judge. */
const FOREIGN_KEY =
  /^(?:cniVersion|name|type|prevResult|runtimeConfig|capabilities|args|ipam|dns|ipMasq|disableCheck|cni\.dev\/.*)$/;

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
  hostTraffic: z.enum(["filter", "allow"], { error: expected("filter or allow") }).default(DEFAULTS.hostTraffic),
  jobRules: z
    .enum(["accept", "deny-only", "ignore"], { error: expected("accept, deny-only or ignore") })
    .default(DEFAULTS.jobRules),
  logDenied: isOn.default(false),
  backend: z.enum(["iptables", "nftables"], { error: expected("iptables or nftables") }).default(DEFAULTS.backend),
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
