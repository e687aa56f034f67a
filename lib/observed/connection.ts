import { z } from "zod";

/** Raise it when a field changes its meaning; a file of another format is not read. */
const FORMAT = 1;

const text = z.string();
const count = z.int().nonnegative();

/** Whose lines these are: an allocation's connections to one port of one address that one thing decides. */
const connectionSchema = z.strictObject({
  allocation: text,
  network: text,
  namespace: text.exactOptional(),
  job: text.exactOptional(),
  group: text.exactOptional(),
  /** `denied`: by the default action. `audited`: by a rule set that decides nothing. */
  decision: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("denied") }),
    z.strictObject({
      kind: z.literal("audited"),
      wouldBe: z.enum(["accepted", "denied"]),
      /** Below `<root>/rules/`. */
      key: text,
      /** The version that would have decided so. */
      modifyIndex: count,
    }),
  ]),
  protocol: text,
  destination: text,
  port: count.exactOptional(),
  /** RFC 3339. */
  firstSeen: text,
  lastSeen: text,
  /** How often the kernel logged it. It logs no more than a few a second: counters count, this does not. */
  lines: count,
});

const fileSchema = z.strictObject({ format: z.literal(FORMAT), connections: z.array(connectionSchema) });

/** A kind of connection that the kernel has logged, and when. */
export type ObservedConnection = Readonly<z.infer<typeof connectionSchema>>;

/** As the state file holds them: JSON, one a line. */
export function formatObserved(connections: readonly ObservedConnection[]): string {
  const lines = connections.map((connection) => JSON.stringify(connection));
  return `{"format":${FORMAT},"connections":[\n${lines.join(",\n")}\n]}\n`;
}

/** @throws SyntaxError or ZodError where it is not one, or of another format */
export function parseObserved(content: string): readonly ObservedConnection[] {
  return fileSchema.parse(JSON.parse(content)).connections;
}
