import { describeIdentity } from "../inspect/describe.ts";
import { elide } from "../inspect/table.ts";
import type { ChainStates } from "../inspect/kernel.ts";
import type { Counters } from "../netfilter/parse-ruleset.ts";
import type { Identity } from "../policy/attachment.ts";
import type { Scope } from "../policy/scope.ts";
import { formatTimestamp } from "../policy/timestamp.ts";
import { describeDuration } from "../status/describe-duration.ts";
import { html, type Child, type Html } from "./html.ts";

/** Consul takes keys of 512 bytes and Nomad names of 128 or less; longer ones are somebody's mischief. */
const LONGEST_NAME = 160;

/** Somebody else's word: cut where it is too long, and with a direction of its own, so that it turns no text around it. */
export function name(text: string, longest = LONGEST_NAME): Html {
  return html`<bdi>${elide(text, longest)}</bdi>`;
}

export function identity(of: Identity): Html {
  return name(describeIdentity(of));
}

export function code(text: string, longest = LONGEST_NAME): Html {
  return html`<code>${name(text, longest)}</code>`;
}

/** `1,234,567`: digits that can be compared by eye. */
export function number(value: number): string {
  return String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

/** A dash where the kernel does not have the rule, or could not be read. */
export function count(counters: Counters | null, unit: keyof Counters): Child {
  return counters ? number(counters[unit]) : html`<span class="none">–</span>`;
}

/** `2026-11-24 12:00:05Z, 12s ago`; the day is left out where it is today. */
export function moment(ms: number, nowMs: number): Html {
  const exact = formatTimestamp(ms);
  const [day, time = ""] = exact.split("T");
  const [today] = formatTimestamp(nowMs).split("T");
  const shown = `${day === today ? "" : `${day} `}${time.slice(0, 8)}Z`;
  const away = ms > nowMs ? `in ${describeDuration(ms - nowMs)}` : `${describeDuration(nowMs - ms)} ago`;
  return html`<time datetime="${exact}">${shown}</time> <span class="away">${away}</span>`;
}

/** `3 rules`. */
export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${number(amount)} ${amount === 1 ? one : many}`;
}

/** Whether an attachment's chain is in the kernel, a word where all is well. */
export function kernelState({ ipv4, ipv6 }: ChainStates): Html {
  const states = [ipv4, ipv6].filter((state) => state !== "unused");
  if (states.length === 0) return html`<span class="none">unused</span>`;
  if (states.every((state) => state === "present")) return html`yes`;
  if (states.every((state) => state === "unknown")) return html`<span class="warn">not known</span>`;
  return html`<strong class="bad">IPv4 ${ipv4}, IPv6 ${ipv6}</strong>`;
}

/** Whom a rule set of this scope applies to. */
export function scopeName(scope: Scope): Html {
  switch (scope.kind) {
    case "global":
      return html`every attachment`;
    case "node":
      return html`node ${name(scope.node)}`;
    case "network":
      return html`network ${name(scope.network)}`;
    case "namespace":
      return html`namespace ${name(scope.namespace)}`;
    case "job":
      return html`job ${name(scope.job)}`;
    case "group":
      return html`group ${name(scope.group)} of job ${name(scope.job)}`;
    case "alloc":
      return html`allocation ${name(scope.alloc.slice(0, 8))}`;
  }
}

/** The address of an attachment's own page. */
export function attachmentPath({ chain }: { readonly chain: string }): string {
  return `/attachments/${encodeURIComponent(chain)}`;
}
