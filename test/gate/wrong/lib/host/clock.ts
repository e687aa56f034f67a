/** What pure code may know of the world: a port's type. */
export interface Clock {
  readonly nowMs: () => number;
}

export function readClock(): number {
  return Date.now() + new Date().getTime();
}
