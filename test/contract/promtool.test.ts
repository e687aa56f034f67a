import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { ensurePromtool } from "../setup/promtool.ts";
import { runCommand } from "../support/command.ts";
import { expressionsOf, readDashboard } from "../support/dashboard.ts";
import { renderExampleMetrics } from "../support/metric-list.ts";

const root = join(import.meta.dirname, "..", "..");
const rules = join(root, "deploy", "prometheus", "outbound.rules.yml");

let promtool: string;
beforeAll(async () => {
  promtool = await ensurePromtool();
}, 600_000);

test("promtool finds nothing wrong with the names and types of the metrics", async () => {
  const { stdout, stderr } = await runCommand([promtool, "check", "metrics"], { input: await renderExampleMetrics() });
  expect(stdout + stderr).toBe("");
});

test("promtool takes the alert rules, without a warning", async () => {
  const { stdout } = await runCommand([promtool, "check", "rules", "--lint-fatal", rules]);
  expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
});

test("alerts fire when they should, as late as they should, and not otherwise", async () => {
  const { stdout } = await runCommand([
    promtool,
    "test",
    "rules",
    join(import.meta.dirname, "prometheus", "outbound.rules.test.yml"),
  ]);
  expect(stdout).toContain("SUCCESS");
});

test("every expression of the dashboard is PromQL", async () => {
  const directory = await mkdtemp(join(tmpdir(), "cni-outbound-promql-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, "dashboard.yml");
  const records = expressionsOf(readDashboard()).map((expr, index) => ({ record: `panel:${index}`, expr }));
  await writeFile(file, JSON.stringify({ groups: [{ name: "dashboard", rules: records }] }));
  const { stdout } = await runCommand([promtool, "check", "rules", file]);
  expect(stdout).toContain(`SUCCESS: ${records.length} rules found`);
});
