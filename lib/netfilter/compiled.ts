import type { Attachment } from "../policy/attachment.ts";
import type { RenderedChain, RenderedRule } from "./render-rule.ts";

/** What is rendered of one attachment: the same object while none of it changes. */
export interface CompiledChains {
  readonly attachment: Attachment;
  readonly chain: RenderedChain;
  /** Rules of the main chain, in order; empty: nothing of this family can come from it, and there is no chain. */
  readonly dispatch: readonly RenderedRule[];
  /** Chains that are a function of their name: whoever finds one missing or altered may put it right. */
  readonly contentChains: readonly RenderedChain[];
}

/** What one attachment needs in one family. */
export interface CompiledAttachment extends CompiledChains {
  /**
   * Chains that hold what KV says at the moment: the plugin makes a missing one, and leaves an existing one alone.
   */
  readonly scopes: readonly ScopeChainSet[];
}

/** All chains of scopes, those of their rule sets before those that jump to them. */
export function chainsOfScopes(scopes: Iterable<ScopeChainSet>): readonly RenderedChain[] {
  return [...scopes].flatMap(({ deny, accept, members }) => [
    ...members,
    ...(deny ? [deny] : []),
    ...(accept ? [accept] : []),
  ]);
}

/** A scope's chains as attachments go through them. */
export interface ScopeChainSet {
  /** The KV prefix that says what they hold, below `<root>/rules/`. */
  readonly prefix: string;
  readonly deny?: RenderedChain;
  readonly accept?: RenderedChain;
  readonly members: readonly RenderedChain[];
}
