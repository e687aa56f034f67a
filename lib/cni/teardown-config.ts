import { mainChainIssue } from "./chain-name.ts";
import type { Logging } from "./config.ts";
import { ABSOLUTE_PATH, DEFAULTS } from "./defaults.ts";
import { isJsonObject } from "./json-object.ts";
import type { JsonObject } from "./json-object.ts";

/** What DEL and GC need to find and remove what ADD made. */
export interface TeardownConfig {
  readonly mainChain: string;
  readonly stateDir: string;
  readonly cacheDir: string;
  readonly logging: Logging;
}

/**
 * Take what is well-formed, and the defaults for the rest: a conflist edited into an error must not keep a container's
 * rules from being removed. Never throws.
 */
export function parseTeardownConfig(config: JsonObject): TeardownConfig {
  const logging = isJsonObject(config["logging"]) ? config["logging"] : {};
  return {
    mainChain: [config["chainName"], config["mainChainName"]].find(isMainChain) ?? DEFAULTS.mainChain,
    stateDir: directoryOr(DEFAULTS.stateDir, config["stateDir"]),
    cacheDir: directoryOr(DEFAULTS.cacheDir, config["cacheDir"]),
    logging: {
      enable: logging["enable"] === true,
      directory: directoryOr(DEFAULTS.logDirectory, logging["directory"]),
    },
  };
}

function isMainChain(value: unknown): value is string {
  return typeof value === "string" && mainChainIssue(value) === undefined;
}

function directoryOr(otherwise: string, value: unknown): string {
  return typeof value === "string" && ABSOLUTE_PATH.test(value) ? value : otherwise;
}
