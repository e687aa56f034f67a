import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const datasource = z.object({ type: z.string(), uid: z.string() });
const gridPos = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() });
const target = z.object({ datasource, expr: z.string(), refId: z.string(), legendFormat: z.string() });
const row = z.object({ type: z.literal("row"), id: z.number(), title: z.string(), gridPos });
const panel = z.object({
  type: z.enum(["timeseries", "stat"]),
  id: z.number(),
  title: z.string(),
  description: z.string().optional(),
  datasource,
  gridPos,
  fieldConfig: z.object({ defaults: z.object({ unit: z.string().optional() }) }),
  targets: z.array(target).min(1),
});
const variable = z.object({ name: z.string(), type: z.string(), definition: z.string().optional() });
const schema = z.object({
  title: z.string(),
  uid: z.string(),
  templating: z.object({ list: z.array(variable) }),
  annotations: z.object({ list: z.array(z.object({ expr: z.string().optional() })) }),
  panels: z.array(z.discriminatedUnion("type", [row, panel])),
});

export type Dashboard = z.infer<typeof schema>;

export type Panel = z.infer<typeof panel>;

/** `deploy/grafana/outbound.json`. */
export function readDashboard(): Dashboard {
  const file = join(import.meta.dirname, "..", "..", "deploy", "grafana", "outbound.json");
  return schema.parse(JSON.parse(readFileSync(file, "utf8")));
}

export function panelsOf({ panels }: Dashboard): readonly Panel[] {
  return panels.flatMap((each) => (each.type === "row" ? [] : [each]));
}

/** Every expression of PromQL in it, as Prometheus would get it. */
export function expressionsOf(dashboard: Dashboard): readonly string[] {
  const shown = panelsOf(dashboard).flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const marked = dashboard.annotations.list.flatMap(({ expr }) => expr ?? []);
  return [...shown, ...marked].map((expr) => expr.replaceAll("$__rate_interval", "5m"));
}
