/** What always passes, what never does, and what a runtime rule governs. */
export const flowNames = ["always", "never", "governed"] as const;

export type FlowName = (typeof flowNames)[number];

/** One source of packets. `new`: each attempt is a connection of its own; `established`: all go over one. */
export interface Stream {
  readonly flow: FlowName;
  readonly family: 4 | 6;
  readonly protocol: "tcp" | "udp";
  readonly kind: "new" | "established";
  readonly address: string;
  readonly port: number;
  readonly everyMs: number;
}

/** `sent` or `answered`, the stream's position, the attempt's number in it, and when, as `monotonicMs`. */
export type StreamEvent = readonly ["s" | "a", stream: number, sequence: number, atMs: number];

/** One line of a sender. */
export type StreamEvents = readonly StreamEvent[];

/** All attempts of one stream, by their number. An attempt that was not answered (yet) has no time there. */
export interface Attempts {
  readonly stream: Stream;
  readonly sentAtMs: readonly number[];
  readonly answeredAtMs: readonly (number | undefined)[];
}

export function describeStream({ flow, family, protocol, kind }: Stream): string {
  return `${flow} IPv${family} ${kind} ${protocol}`;
}
