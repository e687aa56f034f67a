import type { Iptables } from "../host/iptables.ts";
import type { Log } from "../host/log.ts";
import { planAnchors } from "../netfilter/anchors.ts";
import type { CompiledAttachment } from "../netfilter/compiled.ts";
import { findMainChains } from "../netfilter/main-chain.ts";
import { FIREWALL_CHAIN } from "../netfilter/names.ts";
import { parseRuleset } from "../netfilter/parse-ruleset.ts";
import { isSame, planAttachment } from "../netfilter/plan.ts";
import { renderListing } from "../netfilter/render-plan.ts";
import type { Family } from "../policy/address.ts";
import { reconcile } from "../reconcile.ts";

/**
 * Puts one attachment's chains into the kernel. What nearly always holds (the shared chains are there and in place)
 * is tried first, in one call that also lists what it relies on; anything else is read, compared and repaired.
 */
export async function attach(compiled: CompiledAttachment, options: AttachOptions): Promise<void> {
  const { family, isNew, iptables, log } = options;
  if (isNew && compiled.dispatch.length > 0 && (await attachToKnown(compiled, options))) return;
  await reconcile(family, { plan: (actual) => planAttachment(compiled, { actual, family }), iptables, log });
}

export interface AttachOptions {
  readonly family: Family;
  /** Whether no chain of this attachment can exist. */
  readonly isNew: boolean;
  readonly iptables: Iptables;
  readonly log: Log;
}

/** The transaction fails, and changes nothing, where the main chain or a chain that it goes through is missing. */
async function attachToKnown(compiled: CompiledAttachment, { family, iptables }: AttachOptions): Promise<boolean> {
  const { attachment, chain, dispatch, contentChains } = compiled;
  const { mainChain } = attachment.policy;
  const transaction = [
    "*filter",
    `:${chain.name} - [0:0]`,
    ...chain.rules.map(({ text }) => `-A ${chain.name} ${text}`),
    ...dispatch.toReversed().map(({ text }) => `-I ${mainChain} 1 ${text}`),
    "COMMIT",
    "",
  ].join("\n");
  const listing = renderListing([...contentChains.map(({ name }) => name), "INPUT", "FORWARD", FIREWALL_CHAIN]);
  const actual = parseRuleset(await restoreAsFarAsPossible(iptables, family, transaction + listing));
  const mains = findMainChains([attachment], { actual, family });
  return (
    actual.has("FORWARD") &&
    contentChains.every((content) => isSame(content, actual.get(content.name))) &&
    planAnchors(mains, { actual, family }).length === 0
  );
}

/** A listing ends in an error where the firewall plugin's chain does not exist; what came before it still counts. */
async function restoreAsFarAsPossible(iptables: Iptables, family: Family, text: string): Promise<string> {
  try {
    return await iptables.restore(family, text);
  } catch (error) {
    return error instanceof Error && "stdout" in error && typeof error.stdout === "string" ? error.stdout : "";
  }
}
