import type { ListedGroup, ListedScenario, RunRecord } from "./account.ts";
import { type FlowName, flowNames } from "./stream.ts";
import { SECONDS_MS } from "./world.ts";

export interface AccountOf {
  readonly groups: readonly ListedGroup[];
  readonly records: readonly RunRecord[];
  /** What it ran on: the kernel, iptables, Consul. */
  readonly machine: readonly string[];
}

const introduction = `# Account of the fault suite

Written by \`npm run test:faults -- --account\` from what that run did; edits are lost.

While each scenario goes on, a container sends on 24 streams at once: three flows, each by IPv4 and IPv6, by TCP and UDP,
as new connections (20 a second) and over established ones (50 messages a second).

- **always**: let through by a static rule. Not one attempt may go unanswered, unless the scenario says for how long.
- **never**: let through by no rule. Its connections were established while a rule let them, and then cut. Not one packet
  may reach the other side, where the kernel counts them.
- **governed**: by a rule set in KV. It must be as the last good rules say for as long as the fault lasts, whatever KV says
  meanwhile, and as KV says within the stated time once it is over; it may change only once on the way. While it is
  closed, not one packet of it may reach the other side.

After the fault \`/ready\` must answer 200, one more change of KV must be followed, and CHECK must pass.
`;

/** The text of the account, one line for each scenario, whether it was run or not. */
export function renderAccount({ groups, records, machine }: AccountOf): string {
  const forms = [...new Set(records.map(({ form }) => form))].join(" and ");
  const seeds = [...new Set(records.map(({ seed }) => seed))].toSorted((a, b) => a - b);
  const failed = records.filter(({ problems }) => problems.length > 0);
  const parts = [
    introduction,
    `This account: ${forms} form, ${records.length} runs, seeds ${seeds.join(", ")}; ${machine.join("; ")}.\n`,
    ...groups.map((group) => renderGroup(group, records)),
    "## What does not hold\n",
    failed.length === 0 ? "No run had a problem.\n" : failed.map(renderProblems).join("\n"),
    groups.flatMap(({ limits = [] }) => limits.map((limit) => `- ${limit}\n`)).join(""),
  ];
  return `${parts.join("\n").trimEnd()}\n`;
}

function renderGroup({ name, scenarios }: ListedGroup, records: readonly RunRecord[]): string {
  const rows = scenarios.map((scenario) => {
    const runs = records.filter((each) => each.group === name && each.scenario === scenario.name);
    const cells = [scenario.name, asserted(scenario), renderRuns(runs), renderResult(runs)];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  const head = "| scenario | asserted besides | run | result |\n| --- | --- | --- | --- |";
  return `## ${capitalised(name)}\n\n${head}\n${rows.join("\n")}\n`;
}

function asserted({ told, lostBoundMs = 0, leakBoundMs = 0, withinMs = SECONDS_MS }: ListedScenario): string {
  const bounds = [
    ...(lostBoundMs > 0 ? [`always lost for ${seconds(lostBoundMs)} at most`] : []),
    ...(leakBoundMs > 0 ? [`what must not pass, for ${seconds(leakBoundMs)} at most`] : []),
    `followed within ${seconds(withinMs)}`,
  ];
  return [told, ...bounds].join("; ");
}

function renderRuns(runs: readonly RunRecord[]): string {
  if (runs.length === 0) return "not run";
  const times = ["nft", "legacy"].flatMap((backend) => {
    const count = runs.filter((run) => run.backend === backend).length;
    return count === 0 ? [] : [`${backend} ${count} ×`];
  });
  const sent = flowNames.map((flow: FlowName) => `${flow} ${sum(runs.map(({ packets }) => packets[flow]))}`);
  return `${times.join(", ")}; ${sum(runs.map((run) => Math.round(run.seconds)))} s; attempts: ${sent.join(", ")}`;
}

function renderResult(runs: readonly RunRecord[]): string {
  if (runs.length === 0) return "unknown";
  const failed = runs.filter(({ problems }) => problems.length > 0).length;
  if (failed > 0) return `**does not hold** in ${failed} of ${runs.length}`;
  const names = [...new Set(runs.flatMap(({ notes }) => Object.keys(notes)))];
  const slowest = names.map((name) => `${name} ${Math.max(...runs.map(({ notes }) => notes[name] ?? 0))} ms`);
  return `holds; slowest: ${slowest.join(", ")}`;
}

function renderProblems({ group, scenario, backend, seed, problems }: RunRecord): string {
  const list = problems.map((problem) => `  - ${problem.split("\n")[0]}\n`).join("");
  return `- ${group}: ${scenario} (iptables-${backend}, seed ${seed})\n${list}`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
