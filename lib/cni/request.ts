import { checkEnvironment, CNI_NAME } from "./environment.ts";
import type { Environment } from "./environment.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import { isJsonObject } from "./json-object.ts";
import type { JsonObject } from "./json-object.ts";
import { CURRENT_VERSION, DEFAULT_VERSION, isAtLeast, isSupportedVersion, SUPPORTED_VERSIONS } from "./version.ts";
import type { CniVersion } from "./version.ts";

interface PluginRequest {
  /** The plugin's object from stdin. */
  readonly config: JsonObject;
  /** The network's name. */
  readonly name: string;
  readonly cniVersion: CniVersion;
  /** CNI_PATH, never empty. */
  readonly path: string;
}

/** A request about one attachment. */
export interface ContainerRequest extends PluginRequest {
  readonly kind: "ADD" | "CHECK" | "DEL";
  readonly containerId: string;
  /** Empty where DEL came without one. */
  readonly netns: string;
  readonly ifname: string;
  /** CNI_ARGS as they came; empty where there are none, as on Nomad's DEL. */
  readonly args: string;
  /** CNI_NETNS may be the plugin's own network namespace. */
  readonly netnsOverride: boolean;
}

/** A request about the network as a whole. */
export interface NetworkRequest extends PluginRequest {
  readonly kind: "GC" | "STATUS";
}

export type Request =
  | { readonly kind: "about" }
  | { readonly kind: "version"; readonly cniVersion: CniVersion }
  | ContainerRequest
  | NetworkRequest;

/**
 * Everything that the reference library's `skel.PluginMainFuncs` checks before it calls a verb, in its order, with its
 * codes and messages. An empty variable is an absent one. `readStdin` is called at most once, and not at all where
 * stdin may be a terminal or never end: without a command, and for VERSION.
 *
 * One check is the caller's, because it needs the file system: for ADD and DEL, when `netns` opens and is the plugin's
 * own network namespace and `netnsOverride` is false, code 8 "plugin's netns and netns from CNI_NETNS should not be
 * the same". A netns that does not open passes.
 *
 * @throws {CniError}
 */
export function parseRequest(input: { env: Environment; readStdin: () => string }): Request {
  const { env, readStdin } = input;
  const command = env["CNI_COMMAND"] ?? "";
  if (command === "") return { kind: "about" };
  checkEnvironment(env, command);
  if (command === "VERSION") return { kind: "version", cniVersion: CURRENT_VERSION };

  const config = parseConfigObject(read(readStdin));
  const name = networkName(config);
  const path = env["CNI_PATH"] ?? "";
  switch (command) {
    case "ADD":
    case "CHECK":
    case "DEL":
      return {
        kind: command,
        containerId: env["CNI_CONTAINERID"] ?? "",
        netns: env["CNI_NETNS"] ?? "",
        ifname: env["CNI_IFNAME"] ?? "",
        args: env["CNI_ARGS"] ?? "",
        netnsOverride: /^(1|true)$/i.test(env["CNI_NETNS_OVERRIDE"] ?? ""),
        path,
        config,
        name,
        cniVersion: agreeOnVersion(config, command),
      };
    case "GC":
    case "STATUS":
      return { kind: command, path, config, name, cniVersion: agreeOnVersion(config, command) };
    default:
      throw new CniError(`unknown CNI_COMMAND: ${command}`, { code: CNI_ERROR.invalidEnvironment });
  }
}

function read(readStdin: () => string): string {
  try {
    return readStdin();
  } catch (cause) {
    throw new CniError(`error reading from stdin: ${messageOf(cause)}`, { code: CNI_ERROR.ioFailure, cause });
  }
}

function parseConfigObject(text: string): JsonObject {
  const value = parseJson(text);
  if (isJsonObject(value)) return value;
  // The reference library decodes null into an empty struct, whose name is then missing.
  if (value === null) return {};
  throw undecodable("expected an object");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw undecodable(messageOf(cause), cause);
  }
}

function undecodable(reason: string, cause?: unknown): CniError {
  return new CniError(`error unmarshall network config: ${reason}`, { code: CNI_ERROR.decodingFailure, cause });
}

function networkName(config: JsonObject): string {
  const name = config["name"] ?? "";
  if (typeof name !== "string") throw undecodable(`name is of type ${typeof name}, expected a string`);
  if (name === "") throw new CniError("missing network name", { code: CNI_ERROR.invalidConfig });
  if (CNI_NAME.test(name)) return name;
  throw new CniError("invalid characters found in network name", { code: CNI_ERROR.invalidConfig, details: name });
}

const FIRST_VERSION = { ADD: undefined, DEL: undefined, CHECK: "0.4.0", GC: "1.1.0", STATUS: "1.1.0" } as const;

function agreeOnVersion(config: JsonObject, command: keyof typeof FIRST_VERSION): CniVersion {
  const version = configVersion(config);
  const first = FIRST_VERSION[command];
  if (first !== undefined) checkAllowed({ version, first, command });
  if (isSupportedVersion(version)) return version;
  throw new CniError("incompatible CNI versions", {
    code: CNI_ERROR.incompatibleVersion,
    details: `config is "${version}", plugin supports [${SUPPORTED_VERSIONS.map((each) => `"${each}"`).join(" ")}]`,
  });
}

function configVersion(config: JsonObject): string {
  const version = config["cniVersion"] ?? "";
  if (typeof version === "string") return version === "" ? DEFAULT_VERSION : version;
  throw new CniError(
    `decoding version from network config: cniVersion is of type ${typeof version}, expected a string`,
    { code: CNI_ERROR.decodingFailure },
  );
}

function checkAllowed(input: { version: string; first: CniVersion; command: string }): void {
  const { version, first, command } = input;
  const code = CNI_ERROR.incompatibleVersion;
  if (!compare(version, first)) throw new CniError(`config version does not allow ${command}`, { code });
  if (!compare(CURRENT_VERSION, version)) throw new CniError(`plugin version does not allow ${command}`, { code });
}

function compare(version: string, floor: string): boolean {
  try {
    return isAtLeast(version, floor);
  } catch (cause) {
    throw new CniError(messageOf(cause), { code: CNI_ERROR.decodingFailure, cause });
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
