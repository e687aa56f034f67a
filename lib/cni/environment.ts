import { CNI_ERROR, CniError } from "./errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the specification allows in a container id and in a network's name. */
export const CNI_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/**
 * Check the variables that a command needs, in the reference library's order: a variable that is there and wrong is
 * told before those that are missing, and only where the command needs it.
 *
 * @throws {CniError} with code 4
 */
export function checkEnvironment(env: Environment, command: string): void {
  const missing: string[] = [];
  for (const { name, commands, check } of VARIABLES) {
    if (!commands.includes(command)) continue;
    const value = env[name] ?? "";
    if (value === "") missing.push(name);
    else check?.(value);
  }
  if (missing.length > 0) throw invalid(`required env variables [${missing.join(",")}] missing`);
}

/** Why the kernel would not take `name` for a device, in the reference library's words; undefined where it would. */
export function interfaceNameIssue(name: string): { message: string; details?: string } | undefined {
  if (name === "") return { message: "interface name is empty" };
  if (Buffer.byteLength(name) > 15) {
    return { message: "interface name is too long", details: "interface name should be less than 16 characters" };
  }
  if (name === "." || name === "..") return { message: "interface name is . or .." };
  if (/[/:\p{White_Space}]/u.test(name)) {
    return { message: "interface name contains / or : or whitespace characters" };
  }
  return undefined;
}

interface Variable {
  readonly name: string;
  /** The commands that need it. */
  readonly commands: readonly string[];
  readonly check?: (value: string) => void;
}

const VARIABLES: readonly Variable[] = [
  { name: "CNI_CONTAINERID", commands: ["ADD", "CHECK", "DEL"], check: checkContainerId },
  { name: "CNI_NETNS", commands: ["ADD", "CHECK"] },
  { name: "CNI_IFNAME", commands: ["ADD", "CHECK", "DEL"], check: checkInterfaceName },
  { name: "CNI_PATH", commands: ["ADD", "CHECK", "DEL", "GC", "STATUS"] },
];

function checkContainerId(id: string): void {
  if (!CNI_NAME.test(id)) throw invalid("invalid characters in containerID", id);
}

function checkInterfaceName(name: string): void {
  const issue = interfaceNameIssue(name);
  if (issue !== undefined) throw invalid(issue.message, issue.details);
}

function invalid(message: string, details = ""): CniError {
  return new CniError(message, { code: CNI_ERROR.invalidEnvironment, details });
}
