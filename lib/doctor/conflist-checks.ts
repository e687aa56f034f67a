import { readPluginConfig } from "../cni/config.ts";
import { CNI_NAME } from "../cni/environment.ts";
import { isAtLeast, isSupportedVersion } from "../cni/version.ts";
import { locateIssues } from "../policy/locate.ts";
import { show } from "../policy/show.ts";
import { findInPlugin } from "../validate/plugin-findings.ts";
import { ok, problem, warning, type Check, type Trouble } from "./check.ts";
import type { Conflist } from "./conflist.ts";

export interface ConflistOptions {
  readonly folder: string;
  /** Where this command looks for state. */
  readonly stateDir: string;
  readonly cacheDir: string;
  /** Names of networks that files before this one have. */
  readonly fileOfNetwork: ReadonlyMap<string, string>;
}

/** One check for each thing wrong with a list of plugins, or one that says that it is good. */
export function checkConflist(conflist: Conflist, options: ConflistOptions): readonly Check[] {
  const name = `conflist ${conflist.file}`;
  const found = [
    ...checkName(conflist, options),
    ...checkVersion(conflist),
    ...checkOrder(conflist),
    ...checkConfig(conflist, options),
    ...checkFolders(conflist, options),
  ];
  if (found.length === 0)
    return [ok(name, `${conflist.file}: network ${show(conflist.json["name"])}, outbound comes last`)];
  return found.map(({ state, message, remedy }) =>
    (state === "warning" ? warning : problem)(name, { message: `${conflist.file}${message}`, remedy }),
  );
}

/** `message` goes after the file's name. */
interface Finding extends Trouble {
  readonly state: "warning" | "problem";
}

/** Nomad lower-cases the mode of a network before it looks for the name. */
function checkName({ json }: Conflist, { fileOfNetwork }: ConflistOptions): readonly Finding[] {
  const { name } = json;
  if (typeof name !== "string" || !CNI_NAME.test(name)) {
    const message = `: name: found ${show(name)}, expected letters, digits, dots, dashes and underscores`;
    return [{ state: "problem", message, remedy: "Give the network a name, such as my-network" }];
  }
  const first = fileOfNetwork.get(name);
  if (first !== undefined) {
    const message = `: its network's name, ${show(name)}, is that of ${first} too, which comes first`;
    return [{ state: "problem", message, remedy: "Give one of them another name: Nomad takes the first only" }];
  }
  if (name === name.toLowerCase()) return [];
  const message = `: Nomad does not find a network with capital letters in its name, ${show(name)}`;
  return [{ state: "problem", message, remedy: `Name it ${show(name.toLowerCase())}` }];
}

function checkVersion({ json }: Conflist): readonly Finding[] {
  const { cniVersion, cniVersions } = json;
  const listed: readonly unknown[] = Array.isArray(cniVersions) ? cniVersions : [];
  const given = [cniVersion ?? "0.1.0", ...listed];
  const wrong = given.find((version) => typeof version !== "string" || !isSupportedVersion(version));
  const remedy = 'Set "cniVersion": "1.0.0"';
  if (wrong !== undefined) {
    return [
      { state: "problem", message: `: cniVersion: found ${show(wrong)}, expected one from 0.1.0 to 1.1.0`, remedy },
    ];
  }
  const versions = given.map(String);
  // The highest of those listed is the one in use (libcni, since 1.2).
  if (versions.some((version) => !isAtLeast("1.0.0", version))) {
    const message =
      ": cniVersion is above 1.0.0: Nomad up to 1.8 cannot read it, and from 1.10 on a STATUS that fails stops DEL";
    return [{ state: "warning", message, remedy }];
  }
  if (versions.some((version) => isAtLeast(version, "0.4.0"))) return [];
  const message =
    ": cniVersion is below 0.4.0, which has no CHECK: when Nomad restarts it takes that for a broken network";
  return [{ state: "warning", message, remedy }];
}

function checkOrder({ plugins, positions }: Conflist): readonly Finding[] {
  const [first = 0, ...more] = positions;
  const typeAt = (index: number): string => show(plugins[index]?.["type"]);
  if (more.length > 0) {
    const message = `: outbound is in it ${positions.length} times`;
    return [{ state: "problem", message, remedy: "Leave the last of them, and take the others out" }];
  }
  const firewall = plugins.findLastIndex(({ type }) => type === "firewall");
  const remedy = "Move outbound to the end of plugins";
  if (firewall > first) {
    const message = ": firewall comes after outbound, and puts what it lets through before outbound's rules";
    return [{ state: "problem", message, remedy }];
  }
  if (first === plugins.length - 1) return [];
  const message = `: ${typeAt(plugins.length - 1)} comes after outbound, and may change the network that its rules are for`;
  return [{ state: "problem", message, remedy }];
}

function checkConfig(conflist: Conflist, { folder }: ConflistOptions): readonly Finding[] {
  const { bytes, file, plugins, positions } = conflist;
  const remedy = `Correct it; outbound rules validate ${folder}/${file} looks at it again`;
  return positions.flatMap((position) => {
    const { issues, warnings } = findInPlugin(plugins[position] ?? {}, `$.plugins[${position}]`);
    const of = (state: Finding["state"], found: typeof issues): readonly Finding[] =>
      locateIssues(bytes, found).map(({ line, column, path, message }) => ({
        state,
        message: `:${line}:${column}: ${path}: ${message}`,
        remedy,
      }));
    return [...of("problem", issues), ...of("warning", warnings)];
  });
}

/** A watcher that looks elsewhere than the plugin writes sees no attachment. */
function checkFolders({ plugins, positions }: Conflist, options: ConflistOptions): readonly Finding[] {
  const parsed = readPluginConfig(plugins[positions.at(-1) ?? 0] ?? {});
  if (!parsed.ok) return [];
  const { value } = parsed;
  return (
    [
      ["stateDir", "--state-dir"],
      ["cacheDir", "--cache-dir"],
    ] as const
  ).flatMap(([key, flag]): readonly Finding[] => {
    if (isSameFolder(value[key], options[key])) return [];
    const message = `: ${key} is ${value[key]}, and this command looks in ${options[key]}`;
    return [{ state: "problem", message, remedy: `Give ${flag} ${value[key]} to this command and to outbound watch` }];
  });
}

function isSameFolder(left: string, right: string): boolean {
  return left.replace(/\/+$/, "") === right.replace(/\/+$/, "");
}
