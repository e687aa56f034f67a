import type { Plan } from "./plan.ts";

/**
 * A plan as one transaction for `iptables-restore --noflush`. A chain that is declared is emptied first; the commit
 * makes everything valid at one instant, or, on any error, nothing (iptables-restore(8)).
 */
export function renderPlan({ write, remove, anchors }: Plan): string {
  return [
    "*filter",
    ...[...write.map(({ name }) => name), ...remove].map((name) => `:${name} - [0:0]`),
    ...write.flatMap(({ name, rules }) => rules.map(({ text }) => `-A ${name} ${text}`)),
    ...anchors,
    ...remove.map((name) => `-X ${name}`),
    "COMMIT",
    "",
  ].join("\n");
}

/**
 * Lists chains, in a transaction of its own: iptables-restore takes listing commands too. It stops at the first
 * chain that does not exist, so the ones that always do come first.
 */
export function renderListing(chains: readonly string[]): string {
  return ["*filter", ...chains.map((chain) => `-S ${chain}`), "COMMIT", ""].join("\n");
}
