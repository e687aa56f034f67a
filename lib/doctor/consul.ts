import { isAtLeast } from "../cni/version.ts";
import { isUnread, ok, problem, unknown, warning, type Check, type Fact } from "./check.ts";
import { checkPrefixes, checkStatusKey, type AccessFacts } from "./consul-access.ts";

export interface ConsulFacts {
  /** `http://127.0.0.1:8500`, `unix:///…`. */
  readonly address: string;
  /** Whether CONSUL_HTTP_ADDR says so; otherwise it is Consul's default. */
  readonly isAddressSet: boolean;
  readonly answer: Fact<ConsulAnswer>;
  /** `1.22.1` */
  readonly version: Fact<string>;
  readonly access: AccessFacts;
}

export interface ConsulAnswer {
  /** Empty where there is none. */
  readonly leader: string;
  /** The answer's `Date`; undefined where it has none. */
  readonly dateMs: number | undefined;
  /** This machine's clock when the answer came, less half of the time that it took. */
  readonly atMs: number;
}

/** Whether a watcher with this environment gets what it needs from Consul. */
export function checkConsul(facts: Fact<ConsulFacts>): readonly Check[] {
  if (isUnread(facts)) {
    return [problem("Consul", { message: facts.unread, remedy: "Correct the variable, for outbound watch too" })];
  }
  const { answer } = facts;
  if (isUnread(answer)) return [unreachable(facts, answer.unread)];
  return [
    checkLeader(facts, answer),
    ...(answer.leader === "" ? [] : [checkPrefixes(facts.access), ...checkStatusKey(facts.access)]),
    checkVersion(facts),
    checkClock(answer),
  ];
}

function unreachable({ address, isAddressSet }: ConsulFacts, why: string): Check {
  const from = isAddressSet ? "CONSUL_HTTP_ADDR" : "the default, as CONSUL_HTTP_ADDR is not set";
  return problem("Consul", {
    message: `Consul is not reached at ${address} (${from}): ${why.replace(/^Cannot [^:]*: /, "")}`,
    remedy: "Start Consul's agent, or set CONSUL_HTTP_ADDR as for outbound watch; the last good rules stay meanwhile",
  });
}

function checkLeader({ address, isAddressSet }: ConsulFacts, { leader }: ConsulAnswer): Check {
  const from = isAddressSet ? "CONSUL_HTTP_ADDR" : "the default";
  if (leader !== "") return ok("Consul", `Consul answers at ${address} (${from}), and has a leader`);
  return problem("Consul", {
    message: `Consul answers at ${address} (${from}), and has no leader`,
    remedy: "consul operator raft list-peers, on a server; the last good rules stay meanwhile",
  });
}

/** ACLs may hide keys from a token, and an older Consul does not say so (X-Consul-Results-Filtered-By-ACLs). */
function checkVersion({ version }: ConsulFacts): Check {
  const name = "Consul version";
  if (isUnread(version)) return unknown(name, { message: `Consul's version: ${version.unread}` });
  const release = /^\d+\.\d+\.\d+/.exec(version)?.[0];
  if (release === undefined) return unknown(name, { message: `Consul's version: found ${version}` });
  if (isAtLeast(release, TELLS_FILTERED)) return ok(name, `Consul is version ${version}`);
  return warning(name, {
    message: `Consul is version ${version}, and does not tell when ACLs hide some of the keys under a prefix`,
    remedy: `Give the watcher's token read on all of the rules, or upgrade to ${TELLS_FILTERED} or later`,
  });
}

const TELLS_FILTERED = "1.11.0";

/** `expiresAt` goes by each node's own wall clock. */
function checkClock({ dateMs, atMs }: ConsulAnswer): Check {
  const name = "clock";
  if (dateMs === undefined)
    return unknown(name, { message: "whether the clock is right: Consul's answer has no date" });
  // A date has no fractions of a second.
  const aheadMs = atMs - (dateMs + 500);
  if (Math.abs(aheadMs) <= CLOCK_LIMIT_MS) return ok(name, "the clock is that of Consul's agent");
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return warning(name, {
    message: `the clock is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} that of Consul's agent`,
    remedy: "Set both by NTP: a rule set with expiresAt goes out of force by this node's clock",
  });
}

const CLOCK_LIMIT_MS = 5000;
