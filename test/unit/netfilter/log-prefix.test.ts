import * as fc from "fast-check";
import { expect, test } from "vitest";
import { auditPrefix, deniedPrefix, keyDigest, LOG_PREFIX, readLogPrefix } from "../../../lib/netfilter/log-prefix.ts";

/** As CNI allows container ids (SPEC.md, CNI_CONTAINERID). */
const containerIds = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,60}$/);
const rest = "IN=cni0 OUT=uplink SRC=10.88.0.2 DST=192.0.2.1 PROTO=TCP DPT=443";

test("a prefix says which allocation's default action stopped a packet", () => {
  fc.assert(
    fc.property(containerIds, (id) => {
      const { as, rest: read } = readLogPrefix(`${deniedPrefix(id)}${rest}`) ?? {};
      expect(as).toEqual({ kind: "denied", allocationStart: id.slice(0, 18) });
      expect(read).toBe(rest);
    }),
  );
});

test("a prefix says which audited rule set would have decided a packet, and how", () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom("denied", "accepted"), (key, wouldBe) => {
      const read = readLogPrefix(`${auditPrefix(wouldBe, key)}${rest}`);
      expect(read).toEqual({ as: { kind: "audited", wouldBe, digest: keyDigest(key) }, rest });
    }),
  );
});

test("every prefix is one that xt_LOG takes whole, and known as ours", () => {
  fc.assert(
    fc.property(containerIds, fc.string(), (id, key) => {
      for (const prefix of [deniedPrefix(id), auditPrefix("denied", key), auditPrefix("accepted", key)]) {
        expect(Buffer.byteLength(prefix)).toBeLessThanOrEqual(29);
        expect(prefix.startsWith(LOG_PREFIX)).toBe(true);
      }
    }),
  );
});

test.each([
  `[UFW BLOCK] ${rest}`,
  `outbound: ${rest}`,
  `outbound !0123456789abcde: ${rest}`,
  `outbound !0123456789ABCDEF: ${rest}`,
  `outbound +0123456789abcdef0: ${rest}`,
  `outbound 8f1c0001-1111-2222-3333: ${rest}`,
  `outbound ../../etc: ${rest}`,
  `x outbound 8f1c: ${rest}`,
  `outbound 8f1c ${rest}`,
  "",
])("%j is somebody else's line", (line) => {
  expect(readLogPrefix(line)).toBeUndefined();
});
