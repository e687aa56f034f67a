/** Choices that one seed decides: the same seed makes the same ones on every machine. */
export interface Random {
  /** From 0, below `end`. */
  readonly below: (end: number) => number;
  /** @throws Error where there is nothing to choose from */
  readonly pick: <T>(choices: readonly T[]) => T;
  /** True once in `n` times. */
  readonly oneIn: (n: number) => boolean;
}

/** Mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const below = (end: number) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  };
  return {
    below,
    pick: (choices) => {
      const index = below(choices.length);
      for (const choice of choices.slice(index, index + 1)) return choice;
      throw new Error("Cannot pick: there are no choices");
    },
    oneIn: (n) => below(n) === 0,
  };
}
