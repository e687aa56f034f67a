import { isUnread, ok, problem, unknown, warning, type Check, type Fact } from "./check.ts";
import { countOf, listSome } from "./words.ts";

export interface AccessFacts {
  /** What keys are below, with a slash at the end: `outbound/`. */
  readonly root: string;
  readonly hasToken: boolean;
  /** A watcher with an environment of its own has read all it needs. */
  readonly isWatcherInSync: boolean;
  readonly prefixes: readonly PrefixAccess[];
  /** The key of this node's status: `outbound/status/<node>`. */
  readonly statusKey: string;
  /** What ACLs say of writing it; undefined where Consul cannot be asked without writing. */
  readonly mayWriteStatus: Fact<StatusAccess> | undefined;
}

export interface PrefixAccess {
  /** Whole: `outbound/rules/global/`. */
  readonly prefix: string;
  /** `hidden`: ACLs hide it; `filtered`: they hide some of its keys. */
  readonly outcome: "readable" | "hidden" | "filtered" | Fact<never>;
}

export interface StatusAccess {
  readonly key: boolean;
  /** Whether a session may be made, with which the key goes when the watcher goes; undefined where it is not known. */
  readonly session: boolean | undefined;
}

/** Whether ACLs let the rules be read that this node needs. */
export function checkPrefixes(facts: AccessFacts): Check {
  const { root, prefixes } = facts;
  const hidden = prefixes.filter(({ outcome }) => outcome === "hidden" || outcome === "filtered");
  if (hidden.length > 0) {
    const message = `ACLs hide keys under ${listSome(hidden.map(({ prefix }) => prefix))}`;
    if (!facts.hasToken && facts.isWatcherInSync) {
      return unknown(READ, {
        message: `${message} from a request without a token; the watcher has one, and is in sync`,
      });
    }
    return problem(READ, {
      message: facts.hasToken ? `${message} from this token` : `${message}, and CONSUL_HTTP_TOKEN is not set`,
      remedy: `The token needs ${policyOf(`${root}rules/`, "read")}; changes there do not arrive without`,
    });
  }
  const [failed] = prefixes.flatMap(({ prefix, outcome }) => (isUnread(outcome) ? [{ prefix, ...outcome }] : []));
  if (failed) return problem(READ, { message: failed.unread, remedy: "See what Consul's own log says of it" });
  return ok(READ, `${countOf(prefixes.length, "prefix", "prefixes")} of rules can be read: ${listSome(kinds(facts))}`);
}

/** Whether ACLs let the watcher tell how it stands. Nothing, where it cannot be found out without writing. */
export function checkStatusKey(facts: AccessFacts): readonly Check[] {
  const { statusKey, mayWriteStatus, hasToken, isWatcherInSync, root } = facts;
  if (mayWriteStatus === undefined) return [];
  if (isUnread(mayWriteStatus)) {
    return [unknown(WRITE, { message: `whether ${statusKey} may be written: ${mayWriteStatus.unread}` })];
  }
  const { key, session } = mayWriteStatus;
  if (key && session !== false) return [ok(WRITE, `${statusKey} may be written`)];
  if (!hasToken && isWatcherInSync) {
    return [unknown(WRITE, { message: `whether ${statusKey} may be written: no token is set here` })];
  }
  const needs = [
    ...(key ? [] : [policyOf(`${root}status/`, "write")]),
    ...(session === false ? ['session_prefix "" { policy = "write" }'] : []),
  ];
  return [
    warning(WRITE, {
      message: key
        ? `no session can be made for ${statusKey}`
        : `${statusKey} may not be written: outbound status does not know of this node`,
      remedy: `The token needs ${needs.join(" and ")}`,
    }),
  ];
}

const READ = "rules in KV";
const WRITE = "status in KV";

function kinds({ root, prefixes }: AccessFacts): readonly string[] {
  return prefixes.map(({ prefix }) => prefix.slice(`${root}rules/`.length));
}

function policyOf(prefix: string, policy: "read" | "write"): string {
  return `key_prefix "${prefix}" { policy = "${policy}" }`;
}
