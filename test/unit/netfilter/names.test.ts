import { describe, expect, test } from "vitest";
import {
  ACCEPT_CHAIN,
  attachmentChainNames,
  isAttachmentChain,
  isOwnChainName,
  PASS_CHAIN,
  sharedChainName,
  type SharedKind,
} from "../../../lib/netfilter/names.ts";

const kinds: readonly SharedKind[] = [
  "static",
  "deny-scope",
  "accept-scope",
  "deny-rules",
  "accept-rules",
  "deny-audit",
  "accept-audit",
  "deny-log",
  "accept-log",
];

describe("attachmentChainNames", () => {
  test("prefers the name that the Go plugin gave", () => {
    const id = { network: "my-network", containerId: "8623ac7a-28ba-20c3-24a6-e615a39bbbf3", ifname: "eth0" };
    expect(attachmentChainNames(id)[0]).toBe("CNI-OUT-30991e10f11da05c4612");
  });

  test("gives two attachments that ask for one name a second choice each of its own", () => {
    const one = attachmentChainNames({ network: "a", containerId: "bc", ifname: "eth0" });
    const two = attachmentChainNames({ network: "ab", containerId: "c", ifname: "eth0" });
    const three = attachmentChainNames({ network: "ab", containerId: "c", ifname: "eth1" });
    expect(new Set([one[0], two[0], three[0]]).size).toBe(1);
    expect(new Set([one[0], one[1], two[1], three[1]]).size).toBe(4);
  });

  test("reads names as UTF-8, as Go does", () => {
    const id = { network: "rés", containerId: "x", ifname: "eth0" };
    expect(attachmentChainNames(id)[0]).toBe("CNI-OUT-fef04e44de27e5a2d490");
  });
});

describe("sharedChainName", () => {
  test("tells kinds and identities apart, in as many characters as iptables takes", () => {
    const names = kinds.flatMap((kind) => ["global/", "node/", ""].map((identity) => sharedChainName(kind, identity)));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name.length).toBeLessThanOrEqual(28);
  });
});

describe("isOwnChainName", () => {
  test.each([...kinds.map((kind) => sharedChainName(kind, "x")), ACCEPT_CHAIN, PASS_CHAIN])(
    "knows %s as ours",
    (name) => {
      expect(isOwnChainName(name)).toBe(true);
      expect(isAttachmentChain(name)).toBe(false);
    },
  );

  test("knows an attachment's chain, and it alone, as an attachment's", () => {
    expect(isOwnChainName("CNI-OUT-30991e10f11da05c4612")).toBe(true);
    expect(isAttachmentChain("CNI-OUT-30991e10f11da05c4612")).toBe(true);
  });

  test.each([
    "CNI-OUTBOUND",
    "CNI-OUT-",
    "CNI-OUT-30991e10f11da05c461",
    "CNI-OUT-30991e10f11da05c46122",
    "CNI-OUT-30991E10F11DA05C4612",
    "CNI-OUT-30991e10f11da05c461g",
    "XCNI-OUT-30991e10f11da05c4612",
    "CNI-OUTXX-0123456789abcdef01",
    "CNI-OUTDX-0123456789abcdef01",
    "CNI-OUTSL-0123456789abcdef01",
    "CNI-OUTST-0123456789abcdef0",
    "CNI-OUTST-30991e10f11da05c4612",
    "CNI-FORWARD",
  ])("leaves %s to others", (name) => {
    expect(isOwnChainName(name)).toBe(false);
    expect(isAttachmentChain(name)).toBe(false);
  });
});
