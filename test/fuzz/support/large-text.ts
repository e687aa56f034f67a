import * as fc from "fast-check";
import { statusOf } from "../../unit/status/fixtures.ts";
import { formatNodeStatus } from "../../../lib/status/node-status.ts";
import { hostileTexts } from "./hostile-text.ts";

/** What a text is made of. */
export interface LargeText {
  readonly part: string;
  readonly frame: string;
  readonly isNumbered: boolean;
  readonly bytes: number;
}

/** Consul's own limit for a value. */
const BYTES = 512 * 1024;

/** One small part again and again, each different or all the same, in every place that takes a list or a text. */
export function largeTexts(): fc.Arbitrary<LargeText> {
  return fc.record({
    part: fc.oneof(
      fc.constantFrom(...PARTS),
      hostileTexts().map((text) => JSON.stringify(text).slice(1, -1)),
    ),
    frame: fc.constantFrom(...Object.keys(FRAMES)),
    isNumbered: fc.boolean(),
    bytes: fc.constantFrom(BYTES, BYTES, 120_000),
  });
}

export function makeLargeText({ part, frame, isNumbered, bytes }: LargeText): string {
  const make = (count: number): string =>
    FRAMES[frame]?.(Array.from({ length: count }, (_, index) => (isNumbered ? `${part}${index}` : part))) ?? "";
  const count = Math.floor(bytes / (Buffer.byteLength(part) + 1));
  const text = make(count);
  // What the frame puts around each counts too.
  return text.length <= bytes ? text : make(Math.floor((count * bytes) / text.length));
}

const PARTS = [
  "",
  "a",
  "1",
  "80-",
  "10.0.0.1",
  "10.0.0.0/8",
  "::1",
  "2001:db8::",
  "fe80::1%",
  "x=1",
  "=2F",
  "/dispatch-",
  "/periodic-a",
  "[",
  '\\"',
  "\\\\",
  "\\u0000",
  "\\ud800",
  "host",
  "action",
  "--comment ",
  "SRC=1.1.1.1 ",
  "PROTO=",
] as const;

type Frame = (parts: readonly string[]) => string;

const quote = (part: string): string => `"${part}"`;
const rule = (fields: string): string => `{${fields},"action":"DROP"}`;
const status = formatNodeStatus({ ...statusOf("n1"), groups: [] });

const FRAMES: Readonly<Record<string, Frame>> = {
  "plain text": (parts) => parts.join(""),
  lines: (parts) => parts.join("\n"),
  arguments: (parts) => parts.join(";"),
  "one string": (parts) => quote(parts.join("")),
  strings: (parts) => `[${parts.map(quote).join(",")}]`,
  keys: (parts) => `{${parts.map((part) => `${quote(part)}:1`).join(",")}}`,
  "keys of a rule": (parts) => rule(parts.map((part) => `${quote(part)}:1`).join(",")),
  "keys of rules": (parts) => `[${parts.map((part) => rule(`${quote(part)}:1`)).join(",")}]`,
  hosts: (parts) => rule(`"host":[${parts.map(quote).join(",")}]`),
  "one host": (parts) => rule(`"host":${quote(parts.join(""))}`),
  "hosts with commas": (parts) => rule(`"host":${quote(parts.join(","))}`),
  ports: (parts) => rule(`"proto":"tcp","port":${quote(parts.join(","))}`),
  "one port": (parts) => rule(`"proto":"tcp","port":${quote(parts.join(""))}`),
  protocols: (parts) => `[${parts.map((part) => rule(`"proto":${quote(part)}`)).join(",")}]`,
  comments: (parts) => `[${parts.map((part) => rule(`"comment":${quote(part)}`)).join(",")}]`,
  "one comment": (parts) => rule(`"comment":${quote(parts.join(""))}`),
  "an expiry": (parts) => `{"rules":[],"expiresAt":${quote(parts.join(""))}}`,
  "lists in lists": (parts) => `${"[".repeat(parts.length)}${"]".repeat(parts.length)}`,
  "objects in objects": (parts) => `${parts.map((part) => `{${quote(part)}:`).join("")}1${"}".repeat(parts.length)}`,
  "deep lists, again and again": (parts) => `[${parts.map(() => `${"[".repeat(90)}${"]".repeat(90)}`).join(",")}]`,
  "addresses of a result": (parts) =>
    `{"interfaces":[],"ips":[${parts.map((part) => `{"address":${quote(part)}}`).join(",")}]}`,
  "interfaces of a result": (parts) =>
    `{"interfaces":[${parts.map((part) => `{"name":${quote(part)}}`).join(",")}],"ips":[]}`,
  "plugins of a conflist": (parts) =>
    `{"plugins":[${parts.map((part) => `{"type":"outbound",${quote(part)}:1}`).join(",")}]}`,
  "a job's name in a status": (parts) => inStatus(`"job":${quote(parts.join(""))},"allocations":["a"]`),
  "a job with many children": (parts) =>
    inStatus(`"job":"web${"/dispatch-1".repeat(1000)}","allocations":[${parts.map(quote).join(",")}]`),
  "allocations of a status": (parts) => inStatus(`"job":"web","allocations":[${parts.map(quote).join(",")}]`),
  "a rule of a listing": (parts) => `*filter\n-A FORWARD ${parts.join(" ")} -j ACCEPT\nCOMMIT\n`,
  "rules of a listing": (parts) =>
    `*filter\n${parts.map((part) => `-A FORWARD -m comment --comment ${quote(part)} -j CNI-OUTBOUND`).join("\n")}\n`,
  "chains of a listing": (parts) => `*filter\n${parts.map((part) => `:CNI-OUT-${part} - [0:0]`).join("\n")}\n`,
};

function inStatus(group: string): string {
  const groups = `[{"network":"egress","namespace":"default","policy":0,${group}}]`;
  return status.replace('"groups":[]', () => `"groups":${groups}`);
}
