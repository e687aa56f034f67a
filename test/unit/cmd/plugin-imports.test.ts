import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..", "..");

/** All that is loaded with a source file: packages by name, sources by path. Types are not loaded. */
function loadedWith(entry: string): ReadonlySet<string> {
  const loaded = new Set<string>();
  const left = [join(root, entry)];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (loaded.has(file)) continue;
    loaded.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, name = ""] of text.matchAll(/^(?:import|export)\s(?!type\b)(?:[^"';]*\sfrom\s)?"([^"]+)";$/gm)) {
      if (name.startsWith(".")) left.push(join(file, "..", name));
      else loaded.add(name);
    }
  }
  return loaded;
}

test("the plugin, which starts for every container, loads nothing that only the watcher and the commands need", () => {
  const loaded = loadedWith("cmd/plugin.ts");
  expect([...loaded]).toEqual(expect.arrayContaining(["zod", join(root, "lib/cni/add.ts")]));
  expect(["jsonc-parser", "yargs", "consul", "pino", "prom-client"].filter((name) => loaded.has(name))).toEqual([]);
  expect(loadedWith("cmd/cli.ts")).toContain("jsonc-parser");
});
