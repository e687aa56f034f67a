import { isUnread, NEEDS_ROOT, problem, unknown, type Check, type Fact } from "./check.ts";
import { checkConflist } from "./conflist-checks.ts";
import { parseConfigFile, type ConfigFile } from "./conflist.ts";
import { countOf } from "./words.ts";

export interface ConflistsFacts {
  readonly folder: string;
  /** Those that Nomad looks at, `.conflist`, `.conf` and `.json`, by name; undefined where there is no such folder. */
  readonly files: Fact<readonly ConfigFile[]> | undefined;
  /** Where this command looks for state. */
  readonly stateDir: string;
  readonly cacheDir: string;
}

/** The networks that allocations may be attached to with outbound. */
export function checkConflists(facts: ConflistsFacts): readonly Check[] {
  const { folder, files } = facts;
  if (files === undefined) return [problem(NAME, { message: `${folder} does not exist`, remedy: WHERE })];
  if (isUnread(files)) return [unknown(NAME, { message: `${folder} cannot be read: ${files.unread}` })];
  const checks: Check[] = [];
  const fileOfNetwork = new Map<string, string>();
  for (const file of files) {
    const parsed = parseConfigFile(file);
    if (parsed.kind === "unread") checks.push(checkUnread(file.name, parsed.reason));
    if (parsed.kind === "invalid") checks.push(...parsed.issues.map(({ message }) => invalid(file.name, message)));
    if (parsed.kind === "conflist") checks.push(...checkConflist(parsed.conflist, { ...facts, fileOfNetwork }));
    const network = networkOf(file);
    if (network !== undefined && !fileOfNetwork.has(network)) fileOfNetwork.set(network, file.name);
  }
  if (checks.some(({ name }) => name.endsWith(".conflist"))) return checks;
  return [...checks, problem(NAME, { message: noneHas(folder, files.length), remedy: WHERE })];
}

const NAME = "conflists";

const WHERE =
  "Add outbound to the end of a list's plugins, or name the folder of the Nomad client's cni_config_dir with " +
  "--cni-config-dir";

function noneHas(folder: string, files: number): string {
  return files === 0
    ? `no list of plugins is in ${folder}`
    : `outbound is in none of ${countOf(files, "file")} in ${folder}`;
}

function checkUnread(file: string, reason: string): Check {
  const message = `${file} cannot be read: ${reason}`;
  if (reason === NEEDS_ROOT) return unknown(`conflist ${file}`, { message });
  return problem(`conflist ${file}`, { message, remedy: "Nomad reads files in order, and stops at this one" });
}

function invalid(file: string, message: string): Check {
  return problem(`conflist ${file}`, {
    message: `${file}: ${message}`,
    remedy: "Correct or remove it: Nomad finds no network in this folder while it cannot read one of its files",
  });
}

/** The name that a file of any kind gives to a network: of two with one name, Nomad takes the first. */
function networkOf({ bytes }: ConfigFile): string | undefined {
  if (isUnread(bytes)) return undefined;
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof json === "object" && json !== null && "name" in json && typeof json.name === "string"
      ? json.name
      : undefined;
  } catch {
    return undefined;
  }
}
