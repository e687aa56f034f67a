import { areReached } from "../netfilter/anchors.ts";
import { compileAttachmentChain, compileDispatch } from "../netfilter/compile-attachment.ts";
import { compileStaticChain } from "../netfilter/compile-shared.ts";
import { findMainChains, isDispatchRule } from "../netfilter/main-chain.ts";
import { FIREWALL_CHAIN } from "../netfilter/names.ts";
import { leadsAlike, parseRuleset, type ActualRule, type ActualRuleset } from "../netfilter/parse-ruleset.ts";
import { FORMAT, renderChain, renderRule, type RenderedRule } from "../netfilter/render-rule.ts";
import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import { describeAttachment, type DescribeOptions } from "./describe-attachment.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import { familiesToFilter } from "./families.ts";
import type { ContainerRequest } from "./request.ts";

/**
 * CHECK: reads, and fails only where the static protection is gone: Nomad answers a failure by destroying the
 * allocation's network. A changed runtime rule is none, nor are rules that another version of ours wrote.
 *
 * @throws {CniError} that names what is missing
 */
export async function check(request: ContainerRequest, { config, ports }: DescribeOptions): Promise<void> {
  const description = describeAttachment(request, { config, ports });
  const attachment = {
    ...description,
    chain: ports.store.chainFor(description, { isReadOnly: true }),
    addedAt: "",
    sequence: 0,
  };
  const failures = await Promise.all(
    familiesToFilter(attachment, ports).map(async (family) => {
      const chains = protectedChains(attachment, family);
      if (!chains) return undefined;
      // The firewall plugin's chain comes last: it may be missing rightly, and the listing ends there.
      const listing = await ports.iptables.list(family, ["INPUT", "FORWARD", ...chains, FIREWALL_CHAIN]);
      return findFailure(attachment, { family, actual: parseRuleset(listing) });
    }),
  );
  const failure = failures.find((each) => each !== undefined);
  if (failure !== undefined) {
    throw new CniError(`The container's static rules are not in force: ${failure}`, { code: CNI_ERROR.internal });
  }
}

interface CheckOptions {
  readonly family: Family;
  readonly actual: ActualRuleset;
}

/** Undefined where nothing of this family can come from the container. */
function protectedChains(attachment: Attachment, family: Family): readonly string[] | undefined {
  if (compileDispatch(attachment, family).length === 0) return undefined;
  const staticChain = compileStaticChain(attachment.policy.staticRules, family);
  return [attachment.policy.mainChain, attachment.chain, ...(staticChain ? [staticChain.name] : [])];
}

function findFailure(attachment: Attachment, { family, actual }: CheckOptions): string | undefined {
  const missing = protectedChains(attachment, family)?.find((name) => !actual.has(name));
  if (missing !== undefined) return `chain ${missing} is missing (IPv${family})`;
  const { chain, policy } = attachment;
  const own = actual.get(chain) ?? [];
  const main = actual.get(policy.mainChain) ?? [];
  if (isOtherFormat(own)) return main.some(({ target }) => target === chain) ? undefined : `nothing leads to ${chain}`;
  const dispatch = compileDispatch(attachment, family).map((rule) => renderRule(rule, family).hash);
  if (!dispatch.every((hash) => main.some((rule) => rule.hash === hash))) {
    return `${policy.mainChain} does not lead to ${chain} (IPv${family})`;
  }
  const staticChain = compileStaticChain(policy.staticRules, family);
  const jumps = { deny: [], static: staticChain?.name, accept: [] };
  const wanted = renderChain(compileAttachmentChain(attachment, { family, jumps }), family);
  if (!holdsInOrder(own, wanted.rules)) return `rules are missing from ${chain} (IPv${family})`;
  const beforeOurs = main.slice(
    0,
    main.findLastIndex((rule) => rule.hash !== undefined && dispatch.includes(rule.hash)),
  );
  const deciding = new Map([
    [policy.mainChain, beforeOurs.filter((rule) => !isDispatchRule(rule))],
    [chain, own],
    ...(staticChain ? [[staticChain.name, actual.get(staticChain.name) ?? []] as const] : []),
  ]);
  const altered = [...deciding].find(([, rules]) => rules.some(couldLetThrough))?.[0];
  if (altered !== undefined) return `${altered} has a rule that is not ours (IPv${family})`;
  if (staticChain && !holdsInOrder(actual.get(staticChain.name) ?? [], renderChain(staticChain, family).rules)) {
    return `rules are missing from ${staticChain.name} (IPv${family})`;
  }
  const mains = findMainChains([attachment], { actual, family });
  return areReached(mains, { actual, family })
    ? undefined
    : `${policy.mainChain} is not reached before other rules can accept (IPv${family})`;
}

/** A chain of another version holds other text for the same meaning: only its presence can be judged. */
function isOtherFormat(rules: readonly ActualRule[]): boolean {
  return rules.some(({ hash }) => hash !== undefined && !hash.startsWith(`${FORMAT}:`));
}

/** Whether `wanted` is among the rules in this order; runtime rules may stand between. */
function holdsInOrder(rules: readonly ActualRule[], wanted: readonly RenderedRule[]): boolean {
  let next = 0;
  for (const rule of rules) {
    const looked = wanted[next];
    if (looked && rule.hash === looked.hash && leadsAlike(rule, looked)) next++;
  }
  return next === wanted.length;
}

function couldLetThrough({ hash, target }: ActualRule): boolean {
  return hash === undefined && target !== undefined && !["DROP", "REJECT", "LOG", "NFLOG"].includes(target);
}
