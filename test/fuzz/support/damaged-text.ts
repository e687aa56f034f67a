import * as fc from "fast-check";
import { hostileTexts } from "./hostile-text.ts";

/** What a bad disk, a cut-off write or a hostile hand does to bytes. */
type Damage =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "digit" | "letter"; readonly at: number; readonly to: number }
  | { readonly kind: "cut" | "cut front"; readonly at: number }
  | { readonly kind: "remove" | "repeat" | "zero"; readonly at: number; readonly length: number }
  | { readonly kind: "move"; readonly at: number; readonly length: number; readonly to: number }
  | { readonly kind: "insert"; readonly at: number; readonly text: string };

/** Positions are fractions, so that a failure can be made smaller without changing what it hits. */
const FRACTIONS = 2 ** 24;

/** Bytes with a few changes; none is among them too. */
export function damagedBytes(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.tuple(bytes, fewDamages()).map(([whole, all]) => all.reduce<Uint8Array>(damage, whole));
}

/** The same for text, read again as programs read text: what is no UTF-8 any more becomes U+FFFD. */
export function damagedText(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const bytes = texts.map((text) => new TextEncoder().encode(text));
  return damagedBytes(bytes).map((damaged) => Buffer.from(damaged).toString("utf8"));
}

/** One mostly: of several, one would hide what another does. */
function fewDamages(): fc.Arbitrary<readonly Damage[]> {
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 4, arbitrary: fc.array(damages(), { minLength: 1, maxLength: 1 }) },
    { weight: 2, arbitrary: fc.array(damages(), { minLength: 2, maxLength: 4 }) },
  );
}

function damages(): fc.Arbitrary<Damage> {
  const at = fc.nat(FRACTIONS - 1);
  const length = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 200 }));
  return fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at, bit: fc.nat(7) }),
    fc.record({ kind: fc.constantFrom("digit" as const, "letter" as const), at, to: fc.nat(25) }),
    fc.record({ kind: fc.constantFrom("cut" as const, "cut front" as const), at }),
    fc.record({ kind: fc.constantFrom("remove" as const, "repeat" as const, "zero" as const), at, length }),
    fc.record({ kind: fc.constant("move" as const), at, length, to: at }),
    fc.record({ kind: fc.constant("insert" as const), at, text: hostileTexts() }),
  );
}

function damage(bytes: Uint8Array, one: Damage): Uint8Array {
  if (bytes.length === 0 && one.kind !== "insert") return bytes;
  const start = positionIn(bytes, one.at);
  const part = (length: number): Uint8Array => bytes.slice(start, start + length);
  switch (one.kind) {
    case "flip":
      return bytes.with(start, (bytes[start] ?? 0) ^ (1 << one.bit));
    case "digit":
      return replaceNext(bytes, start, { from: 0x30, to: 0x39, by: one.to });
    case "letter":
      return replaceNext(bytes, start, { from: 0x61, to: 0x7a, by: one.to });
    case "cut":
      return bytes.slice(0, start);
    case "cut front":
      return bytes.slice(start);
    case "remove":
      return splice(bytes, start, { remove: one.length, insert: new Uint8Array() });
    case "repeat":
      return splice(bytes, start, { remove: 0, insert: part(one.length) });
    case "zero":
      return splice(bytes, start, { remove: one.length, insert: new Uint8Array(part(one.length).length) });
    case "move": {
      const moved = part(one.length);
      const rest = splice(bytes, start, { remove: one.length, insert: new Uint8Array() });
      return splice(rest, positionIn(rest, one.to), { remove: 0, insert: moved });
    }
    case "insert":
      return splice(bytes, start, { remove: 0, insert: new TextEncoder().encode(one.text) });
  }
}

function positionIn(bytes: Uint8Array, fraction: number): number {
  return Math.floor((fraction / FRACTIONS) * Math.max(1, bytes.length));
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly by: number;
}

/** The next byte of a range becomes another of it: the smallest damage that still reads as before. */
function replaceNext(bytes: Uint8Array, start: number, { from, to, by }: Range): Uint8Array {
  const at = bytes.findIndex((byte, index) => index >= start && byte >= from && byte <= to);
  if (at === -1) return bytes;
  return bytes.with(at, from + (((bytes[at] ?? from) - from + by + 1) % (to - from + 1)));
}

function splice(
  bytes: Uint8Array,
  start: number,
  { remove, insert }: { readonly remove: number; readonly insert: Uint8Array },
): Uint8Array {
  return new Uint8Array(Buffer.concat([bytes.slice(0, start), insert, bytes.slice(start + remove)]));
}
