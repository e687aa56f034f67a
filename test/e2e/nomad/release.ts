import { createHash } from "node:crypto";
import { copyFile, cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { outboundPath } from "../../support/cni/outbound.ts";
import type { Conflist } from "../../support/cni/conflist.ts";
import { runCommand } from "../../support/command.ts";
import { parseOwnJson, type JsonObject } from "../../support/json.ts";
import type { ClientNode } from "../../support/network-namespace.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const architecture = process.arch === "arm64" ? "arm64" : "amd64";
const PORT = 8080;

const server = `
const { createReadStream } = require("node:fs");
const { createServer } = require("node:http");
createServer((request, response) => {
  const file = createReadStream(process.argv[1] + request.url);
  file.on("error", () => response.writeHead(404).end());
  file.on("open", () => file.pipe(response));
}).listen(${PORT}, "127.0.0.1", () => console.log("listening"));
`;

/** What a web server has of one version: the executable, its checksum, install.sh and a conflist. */
export interface Release {
  readonly version: string;
  /** `-var` arguments of outbound-install.nomad.hcl, without the conflist. */
  readonly variables: readonly string[];
  /** The same, with it. */
  readonly withConflist: readonly string[];
}

/** Serves releases to the node, below `http://127.0.0.1:8080/`, until it is closed. */
export async function serveReleases(node: ClientNode): Promise<(options: ReleaseOptions) => Promise<Release>> {
  const directory = join(node.directory, "releases");
  await mkdir(directory);
  await node.start([process.execPath, "-e", server, directory]);
  return (options) => publish(directory, options);
}

export interface ReleaseOptions {
  readonly version: string;
  readonly executable: string;
  readonly conflist: Conflist;
}

async function publish(directory: string, { version, executable, conflist }: ReleaseOptions): Promise<Release> {
  const folder = join(directory, version);
  await mkdir(folder);
  const name = `outbound-linux-${architecture}`;
  await copyFile(executable, join(folder, name));
  await copyFile(join(root, "deploy", "install.sh"), join(folder, "install.sh"));
  const sums = [name, "install.sh"].map(async (each) => `${await sha256(join(folder, each))}  ${each}\n`);
  await writeFile(join(folder, "SHA256SUMS"), (await Promise.all(sums)).join(""));
  const conflistFile = `${conflist.name}.conflist`;
  await writeFile(join(folder, conflistFile), JSON.stringify(conflist, undefined, 2));
  const source = `http://127.0.0.1:${PORT}/${version}`;
  const variables = ["-var", `source=${source}`, "-var", `sha256=${await sha256(join(folder, "SHA256SUMS"))}`];
  const conflists = JSON.stringify({ [`${source}/${conflistFile}`]: await sha256(join(folder, conflistFile)) });
  return { version, variables, withConflist: [...variables, "-var", `conflists=${conflists}`] };
}

/** The executable as it is built, and as it would be built with the next version's number. */
export async function buildVersions(
  directory: string,
): Promise<readonly Pick<ReleaseOptions, "version" | "executable">[]> {
  const text = await readFile(join(root, "package.json"), "utf8");
  const { version, ...rest } = parseOwnJson<JsonObject & { readonly version: string }>(text);
  const next = version.replace(/\d+$/, (patch) => String(Number(patch) + 1));
  const tree = join(directory, "next");
  await mkdir(tree);
  for (const name of ["cmd", "lib", "watcher", "node_modules", "tsconfig.json"]) {
    await symlink(join(root, name), join(tree, name));
  }
  await cp(join(root, "deploy"), join(tree, "deploy"), { recursive: true });
  await writeFile(join(tree, "package.json"), JSON.stringify({ ...rest, version: next }));
  const executable = join(directory, "outbound-next");
  const build = [process.execPath, join(tree, "deploy", "build.ts"), "--outfile", executable];
  await runCommand(build, { cwd: tree, timeoutMs: 120_000 });
  await rm(tree, { recursive: true });
  return [
    { version, executable: outboundPath },
    { version: next, executable },
  ];
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
