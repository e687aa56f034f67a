import type { Family } from "../../lib/policy/address.ts";

export interface FakeRule {
  /** As iptables-save prints it. */
  readonly listed: string;
  /** The chain that it jumps or goes to; undefined for a target of netfilter's own. */
  readonly chain: string | undefined;
}

/** Options by the extension that they belong to. */
const MATCH_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  comment: ["--comment"],
  tcp: ["--dport", "--sport"],
  udp: ["--dport", "--sport"],
  sctp: ["--dport", "--sport"],
  multiport: ["--dports"],
  icmp6: ["--icmpv6-type"],
  hl: ["--hl-eq"],
  addrtype: ["--dst-type", "--src-type"],
  conntrack: ["--ctdir", "--ctstate"],
  mark: ["--mark"],
  physdev: ["--physdev-in", "--physdev-is-in", "--physdev-is-bridged"],
  limit: ["--limit", "--limit-burst"],
};
const TARGET_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  ACCEPT: [],
  DROP: [],
  RETURN: [],
  REJECT: ["--reject-with"],
  MARK: ["--set-xmark"],
  LOG: ["--log-prefix", "--log-level"],
};
/** Options that take no value. */
const FLAGS = ["--physdev-is-in", "--physdev-is-bridged"];
const SELECTORS = ["-s", "-d", "-i", "-o", "-p"];
/** A longer one is cut. */
const LONGEST_PREFIX = 29;
const MOST_PORTS = 15;

/**
 * Reads what follows `-A CHAIN` as iptables-restore does and prints it as iptables-save does: addresses, interfaces and
 * the protocol first, texts quoted, what a rejection is told with.
 *
 * @throws Error where the real program would refuse it
 */
export function readFakeRule(text: string, family: Family): FakeRule {
  const words = splitWords(text);
  const selectors = new Map<string, string>();
  const matches: string[] = [];
  const known = new Set<string>();
  let target: FakeRule | undefined;
  while (words.length > 0) {
    const isNegated = words[0]?.text === "!";
    const [option] = words.splice(0, isNegated ? 2 : 1).slice(-1);
    const not = isNegated ? "! " : "";
    if (option && FLAGS.includes(option.text) && known.has(option.text)) {
      matches.push(`${not}${option.text}`);
      continue;
    }
    const value = words.shift();
    if (!option || !value) throw new Error("an option lacks its value");
    if (SELECTORS.includes(option.text)) {
      selectors.set(option.text, `${not}${option.text} ${checkedSelector(option.text, value.text, family)}`);
    } else if (option.text === "-m") {
      const options = MATCH_OPTIONS[value.text];
      if (!options) throw new Error(`Couldn't load match ${value.text}`);
      for (const each of options) known.add(each);
      matches.push(`-m ${value.text}`);
    } else if (option.text === "-j" || option.text === "-g") {
      target = readTarget(option.text, value.text, { rest: words.splice(0), family });
    } else if (known.has(option.text)) matches.push(`${not}${option.text} ${listedValue(option.text, value.text)}`);
    else throw new Error(`unknown option ${option.text}`);
  }
  const first = SELECTORS.flatMap((option) => selectors.get(option) ?? []);
  return { listed: [...first, ...matches, ...(target ? [target.listed] : [])].join(" "), chain: target?.chain };
}

interface Word {
  readonly text: string;
}

function splitWords(text: string): Word[] {
  return Array.from(text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, quoted, plain = ""]) => ({
    text: quoted === undefined ? plain : quoted.replaceAll(/\\(.)/g, "$1"),
  }));
}

function checkedSelector(option: string, value: string, family: Family): string {
  const isAddress = option === "-s" || option === "-d";
  if (isAddress && value.includes(":") !== (family === 6)) throw new Error(`host/network ${value} not found`);
  if ((option === "-i" || option === "-o") && value.length > 15) throw new Error(`interface name ${value} is too long`);
  if (!isAddress || value.includes("/")) return value;
  return `${value}/${family === 4 ? 32 : 128}`;
}

function listedValue(option: string, value: string): string {
  const ports = value.split(/[,:]/).length;
  if (option === "--dports" && ports > MOST_PORTS) throw new Error("too many ports specified");
  if (option === "--dport" && value.includes(",")) throw new Error(`invalid port/service ${value}`);
  return option === "--comment" ? quote(value) : value.replace("/second", "/sec");
}

/** What iptables prints bare (xtables_save_string) is letters, digits, `-` and `_`; all else is quoted. */
function quote(value: string): string {
  return /^[\w-]+$/.test(value) ? value : `"${value.replaceAll(/["'\\]/g, "\\$&")}"`;
}

interface TargetOptions {
  readonly rest: readonly Word[];
  readonly family: Family;
}

function readTarget(option: "-j" | "-g", name: string, { rest, family }: TargetOptions): FakeRule {
  const options = TARGET_OPTIONS[name];
  if (!options || option === "-g") {
    if (rest.length > 0) throw new Error(`unknown option ${rest[0]?.text}`);
    return { listed: `${option} ${name}`, chain: name };
  }
  const given = rest.map(({ text }, index) => {
    if (index % 2 === 0 && !options.includes(text)) throw new Error(`unknown option ${text}`);
    if (index % 2 === 0) return text;
    if (rest[index - 1]?.text === "--log-level") return text === "debug" ? "7" : text;
    return name === "LOG" ? quote(text.slice(0, LONGEST_PREFIX)) : text;
  });
  const ports = family === 4 ? "icmp-port-unreachable" : "icmp6-port-unreachable";
  const told = name === "REJECT" && given.length === 0 ? ["--reject-with", ports] : given;
  return { listed: [option, name, ...told].join(" "), chain: undefined };
}
