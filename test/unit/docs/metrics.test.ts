import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { codeIn, tableRows } from "../../support/markdown-rows.ts";
import { listMetrics } from "../../support/metric-list.ts";

const text = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "metrics.md"), "utf8");

test("docs/metrics.md has each metric with its type and labels, and no other", async () => {
  const documented = tableRows(text).map(([name = "", type = "", labels = "", meaning = ""]) => {
    expect(`${name}: ${meaning}`).toMatch(/: ./);
    return { name: codeIn(name)[0] ?? "", type, labels: codeIn(labels).toSorted() };
  });
  const known = (await listMetrics()).map(({ labels, ...metric }) => ({ ...metric, labels: labels.toSorted() }));
  const byName = (left: { readonly name: string }, right: { readonly name: string }): number =>
    left.name < right.name ? -1 : 1;
  expect(documented.toSorted(byName)).toEqual(known.toSorted(byName));
});

test("metrics are named as Prometheus asks for: a prefix, base units, _total on counters alone", async () => {
  for (const { name, type, labels } of await listMetrics()) {
    expect(name).toMatch(/^outbound_[a-z0-9_]+$/);
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
    expect(type === "histogram" ? name : "a_seconds").toMatch(/_seconds$/);
    expect(name).not.toMatch(/milliseconds|_ms\b|kilobytes|_(?:counter|gauge|histogram)_/);
    // Prometheus puts these on what it scrapes.
    expect(labels.filter((label) => ["job", "instance"].includes(label))).toEqual([]);
  }
});
