/**
 * A check that cannot fail is none: runs the gate's tools, with the gate's own configuration, on the deliberately wrong
 * tree in wrong/. Exits 1 unless they complain of exactly what its comments announce. `// wrong: <complaint>, …` speaks of
 * its own line or, alone on a line, of the next one; a complaint of a whole file may stand anywhere in it.
 */
import { cp, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { root, runStep } from "./step.ts";

const configuration = [
  ".gitignore",
  ".oxfmtrc.json",
  "knip.json",
  "oxlint.config.ts",
  "package.json",
  "tsconfig.json",
  "vitest.config.ts",
  "test/gate/purity-rules.ts",
];
const wholeFile = ["dead-code files", "format", "unit-tests"];

const knipSchema = z.object({
  issues: z.array(
    z.object({
      file: z.string(),
      files: z.array(z.unknown()),
      exports: z.array(z.object({ line: z.number() })),
    }),
  ),
});
const vitestSchema = z.object({ testResults: z.array(z.object({ name: z.string(), status: z.string() })) });

const wrong = join(root, "test/gate/wrong");
const files = (await readdir(wrong, { recursive: true })).filter((path) => path.endsWith(".ts")).toSorted();
const expected = new Set((await Promise.all(files.map(announcedComplaints))).flat());
const actual = new Set(await complaints());
const missing = [...expected.difference(actual)].map((complaint) => `not refused: ${complaint}`);
const surplus = [...actual.difference(expected)].map((complaint) => `refused though right: ${complaint}`);
process.stdout.write([...missing, ...surplus, `${expected.size} things to refuse`, ""].join("\n"));
process.exitCode = missing.length + surplus.length === 0 && expected.size > 0 ? 0 : 1;

async function announcedComplaints(file: string): Promise<readonly string[]> {
  const lines = (await readFile(join(wrong, file), "utf8")).split("\n");
  return lines.flatMap((text, index) => {
    const [before, list] = text.split("// wrong: ");
    if (list === undefined) return [];
    const line = before?.trim() === "" ? index + 2 : index + 1;
    return list.split(", ").map((what) => (wholeFile.includes(what) ? `${file} ${what}` : `${file}:${line} ${what}`));
  });
}

/** What each tool says of the files in wrong/, in the words of their comments. */
async function complaints(): Promise<readonly string[]> {
  const cwd = await mkdtemp(join(tmpdir(), "outbound-wrong-"));
  try {
    await cp(wrong, cwd, { recursive: true });
    await Promise.all(configuration.map((path) => cp(join(root, path), join(cwd, path))));
    await symlink(join(root, "node_modules"), join(cwd, "node_modules"));
    const said = await Promise.all([formatting(cwd), lint(cwd), types(cwd), deadCode(cwd), unitTests(cwd)]);
    return said.flat().filter((complaint) => files.some((file) => complaint.startsWith(file)));
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

async function formatting(cwd: string): Promise<readonly string[]> {
  const output = await refusal(cwd, "oxfmt", "--list-different");
  return output.split("\n").map((file) => `${file} format`);
}

async function lint(cwd: string): Promise<readonly string[]> {
  const output = await refusal(cwd, "oxlint", "--format=unix");
  const found = output.matchAll(/^(?<place>.+?:\d+):\d+: .*\[Error\/\w+\((?<rule>[\w-]+)\)\]$/gm);
  return [...found].map(({ groups }) => `${groups?.["place"]} lint ${groups?.["rule"]}`);
}

async function types(cwd: string): Promise<readonly string[]> {
  const output = await refusal(cwd, "tsc", "-p", "tsconfig.json", "--pretty", "false");
  const found = output.matchAll(/^(?<file>.+)\((?<line>\d+),\d+\): error (?<code>TS\d+)/gm);
  return [...found].map(({ groups }) => `${groups?.["file"]}:${groups?.["line"]} types ${groups?.["code"]}`);
}

async function deadCode(cwd: string): Promise<readonly string[]> {
  const { issues } = knipSchema.parse(
    JSON.parse(await refusal(cwd, "knip", "--reporter", "json", "--no-config-hints")),
  );
  return issues.flatMap(({ file, files: unused, exports }) => [
    ...unused.map(() => `${file} dead-code files`),
    ...exports.map(({ line }) => `${file}:${line} dead-code exports`),
  ]);
}

async function unitTests(cwd: string): Promise<readonly string[]> {
  const report = join(cwd, "vitest.json");
  await refusal(cwd, "vitest", "run", "--project", "unit", "--reporter=json", `--outputFile=${report}`);
  const { testResults } = vitestSchema.parse(JSON.parse(await readFile(report, "utf8")));
  const failed = testResults.filter(({ status }) => status === "failed");
  return failed.map(({ name }) => `${name.slice(name.indexOf("test/unit/"))} unit-tests`);
}

/** The output of a tool that must refuse the tree. */
async function refusal(cwd: string, ...command: readonly [string, ...string[]]): Promise<string> {
  const { isPassed, output } = await runStep({ name: command[0], command: [...command] }, { cwd });
  if (isPassed) throw new Error(`Cannot trust ${command[0]}: it accepts the wrong tree`);
  return output;
}
