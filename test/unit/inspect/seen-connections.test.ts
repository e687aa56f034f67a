import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatSeen, seenAudited, seenDenied } from "../../../lib/inspect/seen-connections.ts";
import { auditedBy, connection } from "../observed/fixtures.ts";
import { attachmentWith } from "./fixtures.ts";

const attachment = attachmentWith();
const nowMs = Date.parse("2026-11-24T12:00:00Z");

describe("what was seen of an attachment", () => {
  const mine = connection({ decision: auditedBy("global/a"), destination: "192.0.2.7" });
  const observed = [
    mine,
    connection({ destination: "192.0.2.8" }),
    connection({ decision: auditedBy("global/b") }),
    connection({ decision: auditedBy("global/a", { modifyIndex: 2 }) }),
    connection({ decision: auditedBy("global/a"), allocation: "another" }),
    connection({ allocation: "another" }),
    connection({ network: "another" }),
  ];

  test("is its own, of this version of the rule set, or of its default action", () => {
    const destinations = (seen: readonly { readonly destination: string }[]) => seen.map((each) => each.destination);
    expect(destinations(seenAudited(attachment, { key: "global/a", modifyIndex: 1, observed }))).toEqual(["192.0.2.7"]);
    expect(destinations(seenDenied(attachment, observed))).toEqual(["192.0.2.8"]);
  });

  test("comes the last first", () => {
    const at = (hour: string) =>
      connection({ destination: `192.0.2.${hour}`, lastSeen: `2026-11-24T${hour}:00:00.000Z` });
    expect(seenDenied(attachment, [at("10"), at("12"), at("11")]).map(({ destination }) => destination)).toEqual([
      "192.0.2.12",
      "192.0.2.11",
      "192.0.2.10",
    ]);
  });
});

describe("formatSeen", () => {
  test("says what, how often and when, with the day where that is not today", () => {
    const seen = [
      {
        wouldBe: "denied",
        protocol: "tcp",
        destination: "10.1.2.3",
        port: 443,
        lines: 12,
        lastSeen: "2026-11-24T10:31:02.000Z",
      },
      {
        wouldBe: "accepted",
        protocol: "icmpv6",
        destination: "fd00::1",
        lines: 1,
        lastSeen: "2026-11-23T10:31:02.000Z",
      },
      { protocol: "udp", destination: "fd00::1", port: 53, lines: 2, lastSeen: "2026-11-24T00:00:00.000Z" },
    ] as const;
    const shown = formatSeen(
      seen.map((each) => ({ ...each, firstSeen: each.lastSeen })),
      { nowMs },
    );
    expect(shown).toEqual([
      "  would have denied tcp 10.1.2.3:443  12 times, last 10:31:02Z",
      "  would have accepted icmpv6 fd00::1  once, last 2026-11-23 10:31:02Z",
      "  denied udp [fd00::1]:53  2 times, last 00:00:00Z",
    ]);
  });

  test("fits 80 columns, whatever was seen, and does not go on forever", () => {
    const some = fc.record({
      wouldBe: fc.constantFrom("denied" as const, "accepted" as const),
      protocol: fc.constantFrom("tcp", "icmpv6", "udplite"),
      destination: fc.ipV6(),
      port: fc.nat(65_535),
      lines: fc.nat(10_000_000),
      firstSeen: fc.constant(""),
      lastSeen: fc.constantFrom("2026-11-24T10:31:02.000Z", "2026-11-23T10:31:02.000Z"),
    });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 100 }), (seen) => {
        const lines = formatSeen(seen, { nowMs });
        expect(Math.max(0, ...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
        expect(lines.length).toBeLessThanOrEqual(41);
      }),
    );
  });
});
