/** Time as this process's event loop lives it: it stands still while the machine, or this process, has no time for it. */
export interface LoopClock {
  readonly nowMs: () => number;
  readonly stop: () => void;
}

const TURN_MS = 50;

export function startLoopClock(): LoopClock {
  let turns = 0;
  let timer: NodeJS.Timeout;
  // Not an interval: each turn is set when the one before it has come, so that a pause counts as one.
  const wait = (): void => {
    timer = setTimeout(() => {
      turns += 1;
      wait();
    }, TURN_MS);
  };
  wait();
  return { nowMs: () => turns * TURN_MS, stop: () => clearTimeout(timer) };
}
