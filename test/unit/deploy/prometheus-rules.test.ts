import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { anchorsIn } from "../../support/markdown-rows.ts";
import { listMetrics, seriesOf } from "../../support/metric-list.ts";
import { groupedIn, metricsIn } from "../../support/metric-uses.ts";

const root = join(import.meta.dirname, "..", "..", "..");

const alertSchema = z.strictObject({
  alert: z.string().regex(/^Outbound[A-Z][A-Za-z]+$/),
  expr: z.string(),
  for: z
    .string()
    .regex(/^\d+m$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(["critical", "warning", "info"]) }),
  annotations: z.strictObject({
    summary: z.string().max(100),
    description: z.string().min(30),
    runbook_url: z.string().regex(/^docs\/alerts\.md#/),
  }),
});
const recordSchema = z.strictObject({ record: z.string(), expr: z.string() });
const fileSchema = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(z.union([alertSchema, recordSchema])) })),
});

const text = readFileSync(join(root, "deploy", "prometheus", "outbound.rules.yml"), "utf8");
const rules = fileSchema.parse(parse(text)).groups.flatMap((group) => group.rules);
const alerts = rules.flatMap((rule) => ("alert" in rule ? [rule] : []));
const records = rules.flatMap((rule) => ("record" in rule ? [rule] : []));
/** What Prometheus itself puts on each series. */
const ATTACHED = ["job", "instance"];

let series: ReadonlyMap<string, readonly string[]>;
beforeAll(async () => {
  const own = (await listMetrics()).flatMap(seriesOf);
  const recorded = records.map(({ record, expr }) => [record, groupedIn(expr)] as const);
  series = new Map([...own, ...recorded]);
});

describe("the alert rules", () => {
  test.each(rules.map((rule) => ["alert" in rule ? rule.alert : rule.record, rule] as const))(
    "%s asks for metrics and labels that there are",
    (_, { expr }) => {
      for (const { name, labels } of metricsIn(expr)) {
        expect([...series.keys()]).toContain(name);
        expect([...(series.get(name) ?? []), ...ATTACHED]).toEqual(expect.arrayContaining([...labels]));
      }
      const known = metricsIn(expr).flatMap(({ name }) => series.get(name) ?? []);
      expect([...known, ...ATTACHED]).toEqual(expect.arrayContaining([...groupedIn(expr)]));
      expect(metricsIn(expr).length + Number(expr.includes("up{"))).toBeGreaterThan(0);
    },
  );

  test("have names of their own, and each its section in docs/alerts.md, which has no other", () => {
    const names = alerts.map(({ alert }) => alert);
    expect(names.length).toBeGreaterThan(20);
    expect(new Set(names).size).toBe(names.length);
    const document = readFileSync(join(root, "docs", "alerts.md"), "utf8");
    const sections = [...document.matchAll(/^### (\w+)$/gm)].map((match) => match[1] ?? "");
    expect(sections.toSorted()).toEqual(names.toSorted());
    for (const { alert, annotations } of alerts) {
      expect(annotations.runbook_url).toBe(`docs/alerts.md#${alert.toLowerCase()}`);
      expect(anchorsIn(document)).toContain(alert.toLowerCase());
    }
  });

  test("tell only labels that the alert has", () => {
    for (const { alert, expr, annotations } of alerts) {
      const known = new Set([...metricsIn(expr).flatMap(({ name }) => series.get(name) ?? []), ...ATTACHED]);
      const told = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label = ""]) => label);
      expect([alert, ...known]).toEqual(expect.arrayContaining([alert, ...told]));
    }
  });
});

test("a metric or label that there is none of is found", () => {
  const expression = 'sum by (instance, nope) (rate(outbound_x_total{a!="b", c=~"d"}[5m])) > outbound:y';
  expect(metricsIn(expression)).toEqual([
    { name: "outbound_x_total", labels: ["a", "c"] },
    { name: "outbound:y", labels: [] },
  ]);
  expect(groupedIn(expression)).toEqual(["instance", "nope"]);
});
