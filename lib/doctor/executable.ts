import { isUnread, ok, problem, unknown, warning, type Check, type Fact } from "./check.ts";

export interface ExecutableFacts {
  /** Where Nomad looks for plugins, in order. */
  readonly folders: readonly string[];
  readonly found: Fact<PluginFile> | undefined;
  readonly ownVersion: string;
}

/** The first file called `outbound` in those folders. */
export interface PluginFile {
  readonly path: string;
  readonly isExecutable: boolean;
  /** What it printed on stderr without arguments. */
  readonly about: Fact<string>;
}

/** What Nomad runs for a conflist's `"type": "outbound"`. */
export function checkExecutable({ folders, found, ownVersion }: ExecutableFacts): Check {
  if (!found) {
    return problem(NAME, {
      message: `outbound is not in ${folders.join(", ")}`,
      remedy: "Put this executable there, or name the folders of the Nomad client's cni_path with --cni-path",
    });
  }
  if (isUnread(found)) return unknown(NAME, { message: `outbound in ${folders.join(", ")}: ${found.unread}` });
  const { path, isExecutable, about } = found;
  if (!isExecutable) return problem(NAME, { message: `${path} is not executable`, remedy: `chmod 0755 ${path}` });
  if (isUnread(about)) return unknown(NAME, { message: `${path} does not say its version: ${about.unread}` });
  const version = /^CNI outbound plugin v(\d\S*)$/m.exec(about)?.[1];
  if (version === undefined) {
    return problem(NAME, { message: `${path} is another program`, remedy: `${INSTALL} ${path}` });
  }
  if (version === ownVersion) return ok(NAME, `${path} is version ${version}, as this one`);
  return warning(NAME, {
    message: `${path} is version ${version}, and this one is ${ownVersion}`,
    remedy: `Let both be one file: ${INSTALL} ${path}`,
  });
}

const NAME = "executable";
const INSTALL = "copy this executable beside it, and mv the copy to";
