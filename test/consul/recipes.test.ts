import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureConsul } from "../setup/consul.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import { parseOwnJson } from "../support/json.ts";

const root = join(import.meta.dirname, "..", "..");
/** The recipes' titles, and each one's commands. */
const recipes = await readRecipes();
/** The names of the keys that each leaves in KV, below `outbound/rules/`. */
const leaves: readonly (readonly string[])[] = [
  ["namespace/default/job/web/db"],
  ["namespace/default/registry"],
  ["global/block-c2"],
  ["global/no-smtp"],
  ["namespace/default/job/web/migration"],
  ["namespace/default/alloc/8f1c0001-1111-2222-3333-444455556666/quarantine"],
  [],
  ["global/no-metadata"],
  [],
  [],
];

let consulBinary: string;
let agent: ConsulAgent;
let directory: string;

beforeAll(async () => {
  consulBinary = await ensureConsul();
  agent = await startConsul({ binary: consulBinary, acl: true });
  directory = await mkdtemp(join(tmpdir(), "cni-outbound-recipes-"));
  await cp(join(root, "nomad"), join(directory, "nomad"), { recursive: true });
});

afterAll(async () => {
  await agent.close();
  await rm(directory, { recursive: true, force: true });
});

test("there are ten recipes", () => {
  expect(recipes).toHaveLength(leaves.length);
});

test.each(recipes.map((recipe, index) => ({ ...recipe, index })))(
  "recipe $title does what it says",
  async ({ commands, index }) => {
    const outcome = await bash(commands);
    expect(outcome).toMatchObject({ exitCode: 0 });
    expect(await keys()).toEqual(
      leaves
        .slice(0, index + 1)
        .flat()
        .toSorted(),
    );
  },
);

test("they leave rule sets that are valid, and say what the recipes want", async () => {
  const { stdout } = await bash("outbound rules list --json");
  const { ruleSets } = parseOwnJson<{ readonly ruleSets: readonly { readonly state: string }[] }>(stdout);
  expect(ruleSets.filter(({ state }) => state !== "ok")).toEqual([]);
  const ruleSetOf = async (key: string) => parseOwnJson<object>((await bash(`outbound rules get ${key}`)).stdout);
  expect(await ruleSetOf("namespace/default/job/web/db")).toMatchObject({ rules: [{ port: "5432,6432" }] });
  expect(await ruleSetOf("global/no-smtp")).toMatchObject({ mode: "enforce", rules: [{ action: "REJECT" }] });
  expect(await ruleSetOf("namespace/default/job/web/migration")).toHaveProperty("expiresAt");
});

async function keys(): Promise<readonly string[]> {
  const { body } = await agent.request({ path: "/v1/kv/outbound/rules/?keys" });
  return parseOwnJson<readonly string[]>(body).map((key) => key.slice("outbound/rules/".length));
}

function bash(commands: string) {
  return runCommand(["bash", "-euo", "pipefail", "-c", commands], {
    cwd: directory,
    env: {
      PATH: `${dirname(outboundPath)}:${dirname(consulBinary)}:/usr/bin:/bin`,
      CONSUL_HTTP_ADDR: agent.url,
      CONSUL_HTTP_TOKEN: agent.token,
    },
    allowFailure: true,
  });
}

async function readRecipes() {
  const text = await readFile(join(root, "docs", "rules.md"), "utf8");
  return text
    .split(/^### (?=\d+\. )/m)
    .slice(1)
    .map((recipe) => ({
      title: recipe.slice(0, recipe.indexOf("\n")),
      commands: [...recipe.matchAll(/^```bash\n(.*?)^```$/gms)].map(([, block = ""]) => block).join("\n"),
    }));
}
