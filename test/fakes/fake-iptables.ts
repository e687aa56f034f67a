import { IptablesError } from "../../lib/host/iptables-error.ts";
import type { Iptables } from "../../lib/host/iptables.ts";
import type { Family } from "../../lib/policy/address.ts";
import { readFakeRule, type FakeRule } from "./fake-iptables-rule.ts";

export interface FakeIptablesOptions {
  /** Whose programs are installed; both where left out. */
  readonly families?: readonly Family[];
}

export interface FakeIptables extends Iptables {
  /** Sends a packet that every rule of a family matches and lets on. */
  readonly send: (family: Family) => void;
}

interface CountingRule extends FakeRule {
  readonly packets: number;
}

interface FakeChain {
  /** `ACCEPT` of a built-in chain, `-` of any other. */
  readonly policy: string;
  readonly rules: readonly CountingRule[];
}

type Table = ReadonlyMap<string, FakeChain>;

const BUILT_IN: Table = new Map(["INPUT", "FORWARD", "OUTPUT"].map((name) => [name, { policy: "ACCEPT", rules: [] }]));
const EMPTY: FakeChain = { policy: "-", rules: [] };
/** XT_EXTENSION_MAXNAMELEN less one; iptables says "must be under 29 characters". */
const LONGEST_NAME = 28;
const PACKET_BYTES = 84;

/**
 * The filter table of each family, changed by iptables-restore text as the kernel changes it: a transaction works on a
 * copy that takes the table's place at COMMIT; a line that the real program refuses ends it and all that follows.
 * What it lists reads as the real listing does, as far as our own rules and those of the CNI plugins go.
 */
export function createFakeIptables({ families = [4, 6] }: FakeIptablesOptions = {}): FakeIptables {
  const tables = new Map<Family, Table>();
  const tableOf = (family: Family): Table => {
    if (!families.includes(family)) throw failure(`Cannot run iptables for IPv${family}: it is not installed`, "");
    return tables.get(family) ?? BUILT_IN;
  };
  const run = (family: Family, text: string): string => {
    const { table, stdout, refusal } = restore(tableOf(family), { text, family });
    tables.set(family, table);
    if (refusal !== undefined) throw failure(`iptables-restore failed: ${refusal}`, text, stdout);
    return stdout;
  };
  return {
    has: (family) => families.includes(family),
    save: async (family, options) => save(tableOf(family), options),
    restore: async (family, text) => run(family, text),
    list: async (family, chains) => {
      const text = ["*filter", ...chains.map((chain) => `-S ${chain}`), "COMMIT", ""].join("\n");
      const { stdout, refusal } = restore(tableOf(family), { text, family });
      if (refusal !== undefined && stdout === "") throw failure(`iptables-restore failed: ${refusal}`, text);
      return stdout;
    },
    send: (family) => {
      const counted = [...tableOf(family)].map(([name, chain]): [string, FakeChain] => [
        name,
        { ...chain, rules: chain.rules.map((rule) => ({ ...rule, packets: rule.packets + 1 })) },
      ]);
      tables.set(family, new Map(counted));
    },
  };
}

interface Restored {
  /** As the last transaction that was committed left it. */
  readonly table: Table;
  readonly stdout: string;
  readonly refusal: string | undefined;
}

function restore(before: Table, { text, family }: { readonly text: string; readonly family: Family }): Restored {
  let table = before;
  let working: Map<string, FakeChain> | undefined;
  const printed: string[] = [];
  const done = (refusal?: string): Restored => ({ table, stdout: printed.join(""), refusal });
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    try {
      if (line === "*filter" && !working) working = new Map(table);
      else if (!working) return done(`line ${index + 1}: expected *filter, found ${line}`);
      else if (line === "COMMIT") {
        refuseLoops(working);
        table = working;
        working = undefined;
      } else printed.push(change(working, { line, family }));
    } catch (error) {
      return done(`line ${index + 1} failed: ${line}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return done(working && "COMMIT expected at the end");
}

/** Carries out one line, and gives what it prints. */
function change(
  table: Map<string, FakeChain>,
  { line, family }: { readonly line: string; readonly family: Family },
): string {
  const declared = /^:(\S+) (\S+)(?: \[\d+:\d+\])?$/.exec(line);
  if (declared) {
    const [, name = "", policy = ""] = declared;
    if (table.get(name)?.policy === "ACCEPT") refuseUnless(policy !== "-", "a built-in chain needs a policy");
    else table.set(checkedName(name), EMPTY);
    return "";
  }
  const [, command = "", name = "", rest = ""] = /^(-[ADFINSX]) (\S+) ?(.*)$/.exec(line) ?? [];
  if (command === "-N") {
    refuseUnless(!table.has(name), "Chain already exists");
    table.set(checkedName(name), EMPTY);
    return "";
  }
  const chain = table.get(name);
  if (!chain) throw new Error("No chain/target/match by that name");
  const { rules } = chain;
  switch (command) {
    case "-S":
      return list(name, chain);
    case "-F":
      table.set(name, { ...chain, rules: [] });
      return "";
    case "-X":
      refuseUnless(chain.policy === "-", "a built-in chain");
      refuseUnless(rules.length === 0, "Directory not empty");
      refuseUnless(
        ![...table.values()].some((other) => other.rules.some((rule) => rule.chain === name)),
        "Too many links",
      );
      table.delete(name);
      return "";
    case "-A":
      table.set(name, { ...chain, rules: [...rules, ruleFor(rest, { table, family })] });
      return "";
    case "-I": {
      const [, position = "1", text = rest] = /^(\d+) (.*)$/.exec(rest) ?? [];
      refuseUnless(Number(position) >= 1 && Number(position) <= rules.length + 1, "Index of insertion too big");
      table.set(name, { ...chain, rules: rules.toSpliced(Number(position) - 1, 0, ruleFor(text, { table, family })) });
      return "";
    }
    case "-D": {
      const { listed } = ruleFor(rest, { table, family });
      const index = rules.findIndex((rule) => rule.listed === listed);
      refuseUnless(index !== -1, "Bad rule (does a matching rule exist in that chain?)");
      table.set(name, { ...chain, rules: rules.toSpliced(index, 1) });
      return "";
    }
    default:
      throw new Error("unknown command");
  }
}

function ruleFor(text: string, { table, family }: { readonly table: Table; readonly family: Family }): CountingRule {
  const rule = readFakeRule(text, family);
  if (rule.chain !== undefined)
    refuseUnless(table.get(rule.chain)?.policy === "-", `Couldn't load target ${rule.chain}`);
  return { ...rule, packets: 0 };
}

function checkedName(name: string): string {
  refuseUnless(name.length <= LONGEST_NAME, `chain name must be under ${LONGEST_NAME + 1} characters`);
  refuseUnless(!name.startsWith("-") && !name.startsWith("!"), "chain name starts with - or !");
  return name;
}

function refuseLoops(table: Table): void {
  const finished = new Set<string>();
  const visit = (name: string, above: readonly string[]): void => {
    refuseUnless(!above.includes(name), "Too many levels of symbolic links");
    if (finished.has(name)) return;
    for (const { chain } of table.get(name)?.rules ?? []) if (chain !== undefined) visit(chain, [...above, name]);
    finished.add(name);
  };
  for (const name of table.keys()) visit(name, []);
}

function save(table: Table, { withCounters } = { withCounters: false }): string {
  const names = [...table].map(([name, { policy }]) => `:${name} ${policy} [0:0]`);
  const rules = [...table].flatMap(([name, chain]) =>
    chain.rules.map(({ listed, packets }) => {
      const counters = withCounters ? `[${packets}:${packets * PACKET_BYTES}] ` : "";
      return `${counters}-A ${name} ${listed}`;
    }),
  );
  return ["# Generated by iptables-save", "*filter", ...names, ...rules, "COMMIT", "# Completed", ""].join("\n");
}

function list(name: string, { policy, rules }: FakeChain): string {
  const first = policy === "-" ? `-N ${name}` : `-P ${name} ${policy}`;
  return [first, ...rules.map(({ listed }) => `-A ${name} ${listed}`), ""].join("\n");
}

function refuseUnless(isFine: boolean, why: string): void {
  if (!isFine) throw new Error(why);
}

function failure(message: string, input: string, stdout = ""): IptablesError {
  return new IptablesError(message, { input, stdout });
}
