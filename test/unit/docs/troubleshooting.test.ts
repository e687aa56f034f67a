import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..", "..");

test("every error message that the table of troubleshooting quotes is one that the plugin can give", async () => {
  const text = await readFile(join(root, "docs", "troubleshooting.md"), "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("| `"));
  const quoted = rows.map((row) => /`([^`]+)`/.exec(row)?.[1] ?? "");
  expect(quoted.length).toBeGreaterThan(8);
  const templates = await readTemplates(["lib/cni", "lib/host"]);
  expect(quoted.filter((message) => !templates.some((template) => begins(template, message)))).toEqual([]);
});

test("a quote of a message that there is not is seen", () => {
  expect(begins(`Cannot filter IPv\${family}: \${program} is gone`, "Cannot filter IPv6: x is")).toBe(true);
  expect(begins(`Cannot filter IPv\${family}: \${program} is gone`, "Cannot filter IPv6: x was")).toBe(false);
  expect(begins(`Cannot parse \${key}: no`, "Cannot read")).toBe(false);
});

/** Whether a message that the template gives may begin so. What is filled in has no space in it. */
function begins(template: string, message: string): boolean {
  const [first = "", ...others] = template.split(/\$\{[^}]*\}/);
  if (first.startsWith(message)) return true;
  if (!message.startsWith(first) || first.length < "Cannot ".length) return false;
  let rest = message.slice(first.length);
  for (const part of others) {
    rest = rest.replace(/^[^\s:]*/, "");
    if (part.startsWith(rest)) return true;
    if (!rest.startsWith(part)) return false;
    rest = rest.slice(part.length);
  }
  return rest === "";
}

async function readTemplates(folders: readonly string[]): Promise<readonly string[]> {
  const texts = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(join(root, folder));
      const files = names.filter((name) => name.endsWith(".ts"));
      return Promise.all(files.map((name) => readFile(join(root, folder, name), "utf8")));
    }),
  );
  return texts
    .flat()
    .flatMap((text) => [...text.matchAll(/"([^"\n]{8,})"|`([^`\n]{8,})`/g)].map(([, a, b]) => a ?? b ?? ""));
}
