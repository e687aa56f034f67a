import { beforeAll, describe, expect, test } from "vitest";
import { expressionsOf, type Panel, panelsOf, readDashboard } from "../../support/dashboard.ts";
import { listMetrics, seriesOf } from "../../support/metric-list.ts";
import { groupedIn, metricsIn } from "../../support/metric-uses.ts";

const dashboard = readDashboard();
const panels = panelsOf(dashboard);
/** What Prometheus itself puts on each series. */
const ATTACHED = ["job", "instance"];

let series: ReadonlyMap<string, readonly string[]>;
beforeAll(async () => {
  series = new Map((await listMetrics()).flatMap(seriesOf));
});

describe("the dashboard", () => {
  test("asks for metrics and labels that there are, in panels, annotations and variables", () => {
    const queries = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);
    const expressions = [...expressionsOf(dashboard), ...queries];
    expect(expressions.length).toBeGreaterThan(20);
    for (const expression of expressions) {
      const grouping = metricsIn(expression).flatMap(({ name }) => series.get(name) ?? []);
      expect([...grouping, ...ATTACHED]).toEqual(expect.arrayContaining([...groupedIn(expression)]));
      for (const { name, labels } of metricsIn(expression)) {
        expect([...series.keys()]).toContain(name);
        expect([...(series.get(name) ?? []), ...ATTACHED]).toEqual(expect.arrayContaining([...labels]));
      }
    }
  });

  test("names labels in its legends that the series have", () => {
    for (const { targets } of panels) {
      for (const { expr, legendFormat } of targets) {
        const known = metricsIn(expr).flatMap(({ name }) => series.get(name) ?? []);
        const told = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
        expect([expr, ...known, ...ATTACHED]).toEqual(expect.arrayContaining([expr, ...told]));
      }
    }
  });

  test("takes its data source from a variable, everywhere", () => {
    const sources = panels.flatMap((panel) => [panel.datasource, ...panel.targets.map(({ datasource }) => datasource)]);
    expect(new Set(sources.map(({ uid }) => uid))).toEqual(new Set(["${datasource}"]));
    expect(dashboard.templating.list.map(({ name, type }) => `${name} ${type}`)).toContain("datasource datasource");
  });

  test("has panels that say what they show, in which unit, each in a place of its own", () => {
    const unsaid = panels.filter(({ description = "", fieldConfig }) => {
      return description.length < 10 || (fieldConfig.defaults.unit ?? "") === "";
    });
    expect(unsaid.map(({ title }) => title)).toEqual([]);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const overlapping = panels.filter((one) => panels.some((other) => one.id < other.id && overlap(one, other)));
    expect(overlapping.map(({ title }) => title)).toEqual([]);
  });
});

function overlap({ gridPos: one }: Panel, { gridPos: other }: Panel): boolean {
  const isBeside = one.x + one.w <= other.x || other.x + other.w <= one.x;
  const isAbove = one.y + one.h <= other.y || other.y + other.h <= one.y;
  return !isBeside && !isAbove;
}
