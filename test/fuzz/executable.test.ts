import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAttachmentReader } from "../../lib/host/attachment-store.ts";
import type { Iptables } from "../../lib/host/iptables.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import type { RuntimeRules } from "../../lib/policy/runtime-rules.ts";
import type { FileReport } from "../../lib/validate/validation.ts";
import { validateFile } from "../../lib/validate/validate-file.ts";
import { createMemoryLog } from "../fakes/log.ts";
import { ensurePackages } from "../setup/packages.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";
import { iptablesIn } from "../support/iptables-in.ts";
import { parseOwnJson } from "../support/json.ts";
import { createNode, type ClientNode } from "../support/network-namespace.ts";
import { FILES_CORPUS } from "./corpus/texts.ts";
import { attachedAfter, isNewest } from "./support/attached.ts";
import { cagePlugin, type CagedPlugin } from "./support/caged-plugin.ts";
import { fuzz } from "./support/campaign.ts";
import { claimSame } from "./support/claim.ts";
import { claimAnswer } from "./support/claim-answer.ts";
import { damagedBytes } from "./support/damaged-text.ts";
import { isMisread } from "./support/misread-json.ts";
import { values } from "./support/kv-cases.ts";
import { pluginCases, type PluginRequest } from "./support/plugin-cases.ts";
import { NODE } from "./support/runtime-rule-sets.ts";
import { claimNotWider } from "./support/wider.ts";

const DAY_MS = 86_400_000;
const FILES = 250;
/** So that runs that attach nobody are not taken for ones that find nothing. */
const seen = { attached: 0, refused: 0 };

let node: ClientNode;
let plugin: CagedPlugin;
let iptables: Iptables;
let directory: string;

beforeAll(async () => {
  await ensurePackages({ docker: false });
  directory = await mkdtemp(join(tmpdir(), "cni-outbound-fuzz-"));
  node = await createNode({ backend: "nft" });
  iptables = await iptablesIn({ namespace: node, variant: "nft", directory: join(directory, "bin") });
  plugin = await cagePlugin(node);
}, 900_000);

afterAll(async () => {
  await node.close();
  await rm(directory, { recursive: true, force: true });
});

fuzz("the executable as a plugin", {
  inputs: { short: 30, long: 600 },
  arbitrary: pluginCases(),
  check: async ({ requests, runtimeRules, phase }) => {
    const known = runtimeRules && lasting(runtimeRules);
    await plugin.reset(known);
    let attached: readonly Attachment[] = [];
    for (const request of requests.map(asProcess)) {
      const outcome = await plugin.run(request.env, request.stdin);
      claimAnswer(request, outcome);
      seen.refused += Number(outcome.exitCode !== 0);
      const stored = createAttachmentReader(plugin.stateDir, { log: createMemoryLog() }).list().attachments;
      attached = attachedAfter(attached, { request, outcome, stored });
      seen.attached += attached.length;
      const context = { runtimeRules: known ?? { node: NODE, ruleSets: [] }, nowMs: Date.now() };
      await claimNotWider({ attachments: attached.filter(isNewest), context, iptables, phase });
    }
  },
});

fuzz("the executable as a plugin, with bytes that are no text", {
  inputs: { short: 20, long: 600 },
  arbitrary: pluginCases().chain(({ requests: [request] }) => {
    const { env, stdin } = asProcess(request ?? { env: {}, stdin: "" });
    const bytesOf = (text = "") => damagedBytes(fc.constant(new TextEncoder().encode(text)));
    return fc.record({ env: fc.constant(env), args: bytesOf(env["CNI_ARGS"]), stdin: bytesOf(stdin) });
  }),
  check: async ({ env, args, stdin }) => {
    claimAnswer({ env, stdin: "" }, await plugin.runRaw(env, { args, stdin }));
  },
});

fuzz("the executable's rules validate", {
  inputs: { short: 1000, long: 20_000 },
  size: FILES,
  isShrunk: false,
  arbitrary: fc.array(values(), { minLength: FILES, maxLength: FILES }),
  corpus: FILES_CORPUS,
  check: async (contents) => {
    const folder = join(directory, "files");
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    const nameOf = (index: number): string => join(folder, `${String(index).padStart(4, "0")}.json`);
    for (const [index, bytes] of contents.entries()) await writeFile(nameOf(index), bytes);
    const { files, exitCode } = await validateWith([outboundPath], folder);
    claimSame(files.length, (await readdir(folder)).length, "each file is reported");
    claimSame(exitCode, files.every(({ isValid }) => isValid) ? 0 : 1, "the exit code says whether all are valid");
    const isAnyMisread = contents.some((bytes) => isMisread(new TextDecoder().decode(bytes)));
    const underBun = isAnyMisread ? await validateWith(["bun", "cmd/outbound.ts"], folder) : undefined;
    for (const [index, bytes] of contents.entries()) {
      const expected = underBun?.files[index] ?? validateFile(nameOf(index), { bytes, nowMs: Date.now() });
      claimSame(files[index]?.isValid, expected.isValid, "the executable judges as its sources do");
      claimSame(files[index]?.issues, expected.issues, "the executable says what its sources say");
    }
  },
});

test("the executable attached some and refused some", () => {
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
});

async function validateWith(
  outbound: readonly string[],
  folder: string,
): Promise<{ readonly files: readonly FileReport[]; readonly exitCode: number }> {
  const command = [...outbound, "rules", "validate", "--json", folder];
  const { stdout, exitCode } = await runCommand(command, { allowFailure: true });
  return { ...parseOwnJson<{ readonly files: readonly FileReport[] }>(stdout), exitCode };
}

/** The kernel gives no process longer ones (MAX_ARG_STRLEN, 128 KiB), nor all of them together much more. */
const LONGEST_VARIABLE = 30_000;

/** What a process can be given: no NUL in its environment, no half of a surrogate pair anywhere. */
function asProcess({ env, stdin }: PluginRequest): PluginRequest {
  const clean = (text: string): string => text.slice(0, LONGEST_VARIABLE).toWellFormed().replaceAll("\0", "");
  const cleaned: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(env)) cleaned[name] = value === undefined ? value : clean(value);
  return { env: cleaned, stdin: stdin.toWellFormed() };
}

/** Nothing runs here that would take a rule set away as it expires. */
function lasting({ node: name, ruleSets }: RuntimeRules): RuntimeRules {
  const isSoon = (expiresAt: number) => Math.abs(expiresAt - Date.now()) < DAY_MS;
  return {
    node: name,
    ruleSets: ruleSets.filter(({ ruleSet: { expiresAt } }) => expiresAt === undefined || !isSoon(expiresAt)),
  };
}
