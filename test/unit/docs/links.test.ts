import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..", "..");
const files = [
  "README.md",
  "CHANGELOG.md",
  "test/faults/README.md",
  "test/kernel/neighbours/README.md",
  ...(await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
];
const texts = new Map(
  await Promise.all(files.map(async (file) => [file, await readFile(join(root, file), "utf8")] as const)),
);

describe.each(files)("%s", (file) => {
  test("has no link that leads nowhere", () => {
    const links = [...withoutCode(texts.get(file) ?? "").matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
    expect(links.filter((link) => !link.includes("://") && !leadsSomewhere(link, file))).toEqual([]);
  });
});

function leadsSomewhere(link: string, from: string): boolean {
  const [path = "", anchor] = link.split("#");
  const file = path === "" ? from : relative(root, join(root, dirname(from), path));
  if (!existsSync(join(root, file))) return false;
  return anchor === undefined || anchorsOf(texts.get(file) ?? "").includes(anchor);
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): readonly string[] {
  return [...withoutCode(text).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .trim()
      .replaceAll(" ", "-"),
  );
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, "");
}
