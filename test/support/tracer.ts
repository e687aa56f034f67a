import { BlockList } from "node:net";
import type { Family } from "../../lib/policy/address.ts";
import type { Verdict } from "../../lib/policy/evaluate.ts";

/** Chains by name, each rule as iptables-restore reads it or iptables-save prints it, without `-A CHAIN`. */
export type TracedChains = ReadonlyMap<string, readonly { readonly text: string }[]>;

/** A packet as the filter table sees it. */
export interface TracedPacket {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  /** As iptables prints it: `tcp`, `icmp`, `ipv6-icmp`, `47`. */
  readonly protocol: string;
  readonly port?: number;
  readonly icmpv6Type?: number;
  readonly hopLimit?: number;
  readonly inInterface?: string;
  readonly bridgePort?: string;
  /** Whether it goes out through another port of the same bridge. */
  readonly isBridged?: boolean;
  /** Whether it answers a connection that the other side opened. */
  readonly isReply?: boolean;
  /** Default: any other than the host's own. */
  readonly destinationType?: "LOCAL" | "BROADCAST";
  /** Its packet mark on arrival; default 0. */
  readonly mark?: number;
}

export interface Trace {
  /** `accept` where it left the chain at its end or by RETURN. */
  readonly verdict: Verdict;
  /** The packet mark afterwards. */
  readonly mark: number;
  /** Chains it entered, in order. */
  readonly path: readonly string[];
}

/** What xt_multiport takes, a range counting as two. */
const MOST_PORTS = 15;
/** More than any real path: only a loop gets there. */
const LONGEST_PATH = 10_000;

/**
 * Sends packets through chains as netfilter would (iptables(8): a goto returns to the caller of the chain that it
 * left). Knows the matches and targets that we render, and throws at any other.
 */
export function createTracer(chains: TracedChains): (options: TraceOptions) => Trace {
  const known = new Map<string, readonly ReadRule[]>();
  return ({ start, packet }) => {
    const path: string[] = [];
    let mark = packet.mark ?? 0;
    const verdict = walk(start) ?? "accept";
    return { verdict, mark, path };

    /** The verdict; undefined where the packet comes back to the caller. */
    function walk(chain: string): Verdict | undefined {
      if (path.push(chain) > LONGEST_PATH) throw new Error(`Cannot trace packet: ${chain} is in a loop`);
      for (const { conditions, target, isGoto, targetOptions } of rulesOf(chain)) {
        if (!conditions.every((holds) => holds(packet, mark))) continue;
        if (isGoto) return walk(target);
        const verdict = VERDICTS.get(target);
        if (verdict !== undefined) return verdict;
        if (target === "RETURN") return undefined;
        if (target === "MARK") mark = setMark(mark, targetOptions);
        else if (target !== "LOG") {
          const inner = walk(target);
          if (inner !== undefined) return inner;
        }
      }
      return undefined;
    }
  };

  function rulesOf(chain: string): readonly ReadRule[] {
    const rules = known.get(chain) ?? chains.get(chain)?.map(({ text }) => readRule(text));
    if (!rules) throw new Error(`Cannot trace packet: chain ${chain} is not there`);
    known.set(chain, rules);
    return rules;
  }
}

export interface TraceOptions {
  readonly start: string;
  readonly packet: TracedPacket;
}

const VERDICTS: ReadonlyMap<string, Verdict> = new Map([
  ["ACCEPT", "accept"],
  ["DROP", "drop"],
  ["REJECT", "reject"],
]);

type Condition = (packet: TracedPacket, mark: number) => boolean;

interface ReadRule {
  readonly conditions: readonly Condition[];
  readonly target: string;
  readonly isGoto: boolean;
  readonly targetOptions: readonly string[];
}

function readRule(text: string): ReadRule {
  const words = Array.from(text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? "");
  const conditions: Condition[] = [];
  while (words.length > 0) {
    const isNegated = words[0] === "!";
    if (isNegated) words.shift();
    const option = words.shift() ?? "";
    const value = option.startsWith("--physdev-is-") ? "" : (words.shift() ?? "");
    if (option === "-j" || option === "-g") {
      return { conditions, target: value, isGoto: option === "-g", targetOptions: words };
    }
    const condition = readCondition(option, value);
    conditions.push(isNegated ? (packet, mark) => !condition(packet, mark) : condition);
  }
  throw new Error(`Cannot trace rule: ${text} has no target`);
}

function readCondition(option: string, value: string): Condition {
  switch (option) {
    case "-m":
    case "--comment":
    case "--limit":
    case "--limit-burst":
      return () => true;
    case "-s":
      return inBlock(value, ({ source }) => source);
    case "-d":
      return inBlock(value, ({ destination }) => destination);
    case "-i":
      return ({ inInterface }) => inInterface === value;
    case "--physdev-in":
      return ({ bridgePort }) => bridgePort === value;
    case "--physdev-is-in":
      return ({ bridgePort }) => bridgePort !== undefined;
    case "--physdev-is-bridged":
      return ({ isBridged = false }) => isBridged;
    case "-p":
      return ({ protocol }) => protocol === value;
    case "--dport":
    case "--dports": {
      if (value.split(/[,:]/).length > MOST_PORTS) throw new Error(`Cannot trace rule: too many ports in ${value}`);
      const ranges = value.split(",").map((range) => range.split(":").map(Number));
      return ({ port = Number.NaN }) => ranges.some(([first = 0, last = first]) => first <= port && port <= last);
    }
    case "--icmpv6-type":
      return ({ icmpv6Type }) => icmpv6Type === Number(value);
    case "--hl-eq":
      return ({ hopLimit }) => hopLimit === Number(value);
    case "--dst-type":
      return ({ destinationType }) => destinationType === value;
    case "--ctdir":
      return ({ isReply = false }) => value === (isReply ? "REPLY" : "ORIGINAL");
    case "--ctstate":
      return ({ isReply = false }) => value.split(",").includes(isReply ? "ESTABLISHED" : "NEW");
    case "--mark": {
      const [wanted = 0, mask = 0] = value.split("/").map(Number);
      return (_, mark) => (mark & mask) === wanted;
    }
    default:
      throw new Error(`Cannot trace rule: the tracer does not know ${option}`);
  }
}

/** Node's own reading of a block: it shares no code with ours. */
function inBlock(block: string, pick: (packet: TracedPacket) => string): Condition {
  const [network = "", prefix = ""] = block.split("/");
  const type = network.includes(":") ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), type);
  return (packet) => list.check(pick(packet), type);
}

/** `--set-xmark value/mask`: the mask's bits are cleared, then the value's are flipped. */
function setMark(mark: number, [option, value = ""]: readonly string[]): number {
  const [bits, mask] = value.split("/").map(Number);
  if (option !== "--set-xmark" || bits === undefined || mask === undefined) {
    throw new Error(`Cannot trace rule: the tracer does not know MARK ${option} ${value}`);
  }
  return (mark & ~mask) ^ bits;
}
