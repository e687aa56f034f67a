import { wrap } from "../rules/wrap.ts";
import type { ChangeView, DecisionView, EffectView, IdleView } from "./effect-view.ts";

/** Hundreds of them are for `--json`. */
const MOST_CHANGES = 20;
const MOST_IDLE = 10;
const MOST_BLOCKS = 3;
const MOST_EXCEPT = 3;

/** What changes, for people: lines of at most 80 columns. Empty where no rule was compared. */
export function formatEffect({ changes, idle, notCompared }: EffectView): readonly string[] {
  return [
    ...changes.slice(0, MOST_CHANGES).flatMap(formatChange),
    ...more(changes, { most: MOST_CHANGES, what: "change of verdicts", all: "changes of verdicts" }),
    ...idle.slice(0, MOST_IDLE).flatMap(formatIdle),
    ...more(idle, { most: MOST_IDLE, what: "rule that changes no verdict", all: "rules that change no verdict" }),
    ...(notCompared === 0 ? [] : [wrap(tooMuch(notCompared), { indent: 2 })]),
  ];
}

function tooMuch(rules: number): string {
  return `NOT ALL: there was too much to compare; ${rules} changed ${rules === 1 ? "rule was" : "rules were"} not compared to the end`;
}

interface MoreOptions {
  readonly most: number;
  readonly what: string;
  readonly all: string;
}

function more(items: readonly unknown[], { most, what, all }: MoreOptions): readonly string[] {
  const left = items.length - most;
  return left <= 0 ? [] : [`… and ${left} more ${left === 1 ? what : all}: --json has them`];
}

/** The word, then lines below each other. */
function formatChange({ change, before, after, ...traffic }: ChangeView): readonly string[] {
  const width = Math.max(before.verdict.length, after.verdict.length) + 2;
  const tell = ({ verdict, from }: DecisionView) => `${verdict.padEnd(width)}${from}`;
  return [
    wrap(`${change.toUpperCase().padEnd(8)}${describeTraffic(traffic)}`, { indent: 8 }),
    wrap(`        was ${tell(before)}`, { indent: 12 + width }),
    wrap(`        now ${tell(after)}`, { indent: 12 + width }),
  ];
}

type Traffic = Pick<ChangeView, "protocols" | "hosts" | "ports">;

function describeTraffic({ protocols, hosts, ports }: Traffic): string {
  const port = ports === null ? "" : ` port ${ports.replaceAll(",", ", ")}`;
  return `${describeProtocols(protocols)} to ${describeHosts(hosts)}${port}`;
}

/** Those that rules have no name for are said to be `other`; all that are meant in a family are `all`. */
function describeProtocols(protocols: Traffic["protocols"]): string {
  const isAll = protocols.length >= 5;
  return isAll ? "all" : protocols.join(", ");
}

function describeHosts(hosts: Traffic["hosts"]): string {
  const isAny = hosts.length === 2 && hosts.every(({ block, except }) => block.endsWith("/0") && except.length === 0);
  if (isAny) return "any address";
  const shown = hosts.slice(0, MOST_BLOCKS).map(({ block, except }) => {
    const left = except.length - MOST_EXCEPT;
    const but = except.slice(0, MOST_EXCEPT).map(short).join(", ");
    if (but === "") return short(block);
    return `${short(block)} (but not ${but}${left > 0 ? ` and ${left} more` : ""})`;
  });
  const left = hosts.length - MOST_BLOCKS;
  return `${shown.join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

/** One address needs no prefix length. */
function short(block: string): string {
  return block.replace(block.includes(":") ? /\/128$/ : /\/32$/, "");
}

function formatIdle({ side, verdict, from, text, because }: IdleView): readonly string[] {
  const reasons = because.map((reason) => {
    const how = `${PAST[reason.verdict]} ${reason.verdict === verdict ? "anyway" : "first"}`;
    return `${how} by ${reason.from}${reason.text === null ? "" : `: ${reason.text}`}`;
  });
  return [
    wrap(`IDLE    ${side === "before" ? "without" : "with"} ${from}: ${text}`, { indent: 8 }),
    `        no verdict changes${reasons.length > 0 ? ", because its packets are" : ""}`,
    ...reasons.map((reason) => wrap(`        - ${reason}`, { indent: 10 })),
  ];
}

const PAST = { accept: "accepted", drop: "dropped", reject: "rejected" } as const;
