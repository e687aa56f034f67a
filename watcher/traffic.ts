import type { Counters } from "../lib/netfilter/parse-ruleset.ts";
import type { Family } from "../lib/policy/address.ts";

export type Labels = Readonly<Record<string, string>>;

/** What one rule in the kernel has counted since it was put there. */
export interface TrafficSample {
  /** The rule and its chain: the same in every reading of one family. */
  readonly id: string;
  /** Undefined while nobody knows whose chain it is. */
  readonly labels: Labels | undefined;
  readonly counters: Counters;
}

/** What is to be added to the sums of one set of labels. */
export interface TrafficIncrease extends Counters {
  readonly labels: Labels;
}

export interface Traffic {
  /**
   * Takes in one reading of a family's table: the increases since the one before, for each set of labels in it, none
   * below 0. The kernel's counters fall when a chain goes or is filled again; the sums that are made of these do not.
   */
  readonly take: (family: Family, samples: readonly TrafficSample[]) => readonly TrafficIncrease[];
  /** Whether some labels had to be summed up under those of `other`. */
  readonly isFull: () => boolean;
}

export interface TrafficOptions {
  /** Sets of labels that are told apart; what comes later is summed up. */
  readonly mostLabels: number;
  /** Under which labels; these must be few. */
  readonly other: (labels: Labels) => Labels;
}

/**
 * Turns the kernel's counters into ones that never fall. The first reading counts as a whole, so that what the kernel
 * has counted goes on through a restart of the watcher. What a rule counts between the last reading and its removal is
 * not seen.
 */
export function createTraffic({ mostLabels, other }: TrafficOptions): Traffic {
  const before = new Map<Family, ReadonlyMap<string, Counters>>();
  const known = new Set<string>();
  let isFull = false;
  const fold = (labels: Labels): Labels => {
    const key = JSON.stringify(labels);
    if (known.has(key)) return labels;
    if (known.size >= mostLabels) {
      isFull = true;
      return other(labels);
    }
    known.add(key);
    return labels;
  };
  return {
    take(family, samples) {
      const last = before.get(family);
      const next = new Map<string, Counters>();
      const increases = new Map<string, TrafficIncrease>();
      for (const { id, labels, counters } of samples) {
        const counted = last?.get(id);
        if (labels) {
          next.set(id, counters);
          add(increases, { labels: fold(labels), ...increaseOf(counted, counters) });
          // Whose it was may be known again: then it goes on from where it was.
        } else if (counted) next.set(id, counted);
      }
      before.set(family, next);
      return [...increases.values()];
    },
    isFull: () => isFull,
  };
}

/** A counter below what it was has started again at 0. */
function increaseOf(before: Counters | undefined, now: Counters): Counters {
  if (!before || now.packets < before.packets || now.bytes < before.bytes) return now;
  return { packets: now.packets - before.packets, bytes: now.bytes - before.bytes };
}

function add(increases: Map<string, TrafficIncrease>, { labels, packets, bytes }: TrafficIncrease): void {
  const key = JSON.stringify(labels);
  const sum = increases.get(key);
  increases.set(key, { labels, packets: (sum?.packets ?? 0) + packets, bytes: (sum?.bytes ?? 0) + bytes });
}
