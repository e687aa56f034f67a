interface Listed {
  readonly name: string;
  readonly handle: number;
  readonly isHarmless: boolean;
}

/**
 * Of these built-in chains, those that iptables-nft made when our jump was put into them: a table's handles only grow,
 * and in the transaction that first leads to a main chain the main chain comes first. One with a policy other than
 * accept decides something, whoever made it. `listing` is what `nft -a list table` prints (nft(8)).
 */
export function findMadeChains(listing: string, { builtIn, mainChains }: FindMadeOptions): readonly string[] {
  const listed = [...listing.matchAll(/^\tchain (\S+) \{ # handle (\d+)$\n(.*)/gm)].map(
    ([, name = "", handle, next = ""]): Listed => ({
      name,
      handle: Number(handle),
      isHarmless: /^\t\ttype filter hook \w+ priority \w+; policy accept;$/.test(next),
    }),
  );
  const oldestMain = Math.min(...listed.filter(({ name }) => mainChains.includes(name)).map(({ handle }) => handle));
  return builtIn.filter((chain) =>
    listed.some(({ name, handle, isHarmless }) => name === chain && isHarmless && handle > oldestMain),
  );
}

export interface FindMadeOptions {
  readonly builtIn: readonly string[];
  readonly mainChains: readonly string[];
}
