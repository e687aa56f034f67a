import type { LoadReport, Machine } from "./machine.ts";
import type { Measurement, Section, Target, Unit } from "./section.ts";

export interface Report {
  readonly command: string;
  readonly startedAt: string;
  readonly seconds: number;
  /** A smoke test of the bench itself: its numbers say nothing. */
  readonly isQuick: boolean;
  readonly machine: Machine;
  readonly load: LoadReport;
  readonly sections: readonly (Section & { readonly seconds: number })[];
}

/** For machines: all numbers to a thousandth. */
export function formatJson(report: Report): string {
  const round = (_key: string, value: unknown): unknown =>
    typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
  return `${JSON.stringify(report, round, 2)}\n`;
}

/** For people: one table a section. */
export function formatMarkdown(report: Report): string {
  const { machine, load, sections, command, startedAt, seconds } = report;
  const facts = [
    ["machine", `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB`],
    ["system", `${machine.system}, Linux ${machine.kernel}`],
    ["iptables", `${machine.iptablesNft}; ${machine.iptablesLegacy}; ${machine.nft}`],
    ["runtimes", `Bun ${machine.bun} (the executable), Node.js ${machine.node} (the bench)`],
    ["Consul", machine.consul],
    ["load at the start", `${load.average.toFixed(2)}, processors busy ${load.busyPercent.toFixed(0)} %`],
    ["stolen by the hypervisor", `${load.stolenPercent.toFixed(1)} % of the run`],
    ["run", `${startedAt}, ${seconds.toFixed(0)} s, \`${command}\``],
  ];
  return [
    "# Measurements",
    "",
    ...(report.isQuick ? ["**A smoke test of the bench itself: its numbers say nothing.**", ""] : []),
    ...(load.isQuiet
      ? []
      : ["**The machine was not quiet when this began: these numbers are higher than on one that is.**", ""]),
    ...table(["", ""], facts),
    "",
    "p99 is the largest where n is below 100. *Floors* are what the same machine does, in the same run, without outbound.",
    ...sections.flatMap((section) => ["", ...formatSection(section)]),
    "",
  ].join("\n");
}

/** One line for a terminal. */
export function formatMeasurement({ what, kind, unit, summary, targets }: Measurement): string {
  const p99 = summary.n > 1 ? `  p99 ${formatNumber(summary.p99, unit)}` : "";
  const reached = targets.map((target) => `  ${formatTarget(target, unit)}`).join("");
  const label = `${kind === "floor" ? "floor: " : ""}${what}`;
  return `  ${label.padEnd(64)} ${formatNumber(summary.median, unit).padStart(10)}${p99}  n ${summary.n}${reached}`;
}

function formatSection({ title, how, measurements }: Section): readonly string[] {
  const rows = measurements.map(({ what, kind, unit, summary, targets, note }) => [
    kind === "floor" ? `*floor: ${what}*` : what,
    String(summary.n),
    formatNumber(summary.median, unit),
    summary.n > 1 ? formatNumber(summary.p99, unit) : "",
    [...targets.map((target) => formatTarget(target, unit)), ...(note === undefined ? [] : [note])].join("; "),
  ]);
  return [`## ${title}`, "", how, "", ...table(["", "n", "median", "p99", "target"], rows)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

function formatTarget({ of, bound, limit, why, isMet }: Target & { readonly isMet: boolean }, unit: Unit): string {
  const value = of === "value" ? "" : `${of} `;
  const reason = why === undefined ? "" : ` (${why})`;
  return `${value}${bound} ${formatNumber(limit, unit)}${reason}: ${isMet ? "met" : "NOT MET"}`;
}

function formatNumber(value: number, unit: Unit): string {
  if (unit === "requests" || unit === "processes") return String(value);
  const digits = unit === "×" || unit === "%" ? 2 : 1;
  return `${Number.isInteger(value) ? value : value.toFixed(digits)} ${unit}`;
}
