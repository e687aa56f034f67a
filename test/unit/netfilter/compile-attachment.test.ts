import { describe, expect, test } from "vitest";
import {
  compileAttachmentChain,
  compileDispatch,
  type AttachmentJumps,
} from "../../../lib/netfilter/compile-attachment.ts";
import { PASS_CHAIN } from "../../../lib/netfilter/names.ts";
import { renderChain } from "../../../lib/netfilter/render-rule.ts";
import type { Family } from "../../../lib/policy/address.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { createTracer, type TracedPacket } from "../../support/tracer.ts";

const NO_JUMPS: AttachmentJumps = { deny: [], static: undefined, accept: [] };

/** What the attachment's own chain makes of a packet; the chains that it jumps to leave all as it is. */
function verdictOf(attachment: Attachment, packet: Partial<TracedPacket>, family: Family = 4): string {
  const chain = renderChain(compileAttachmentChain(attachment, { family, jumps: NO_JUMPS }), family);
  const trace = createTracer(new Map([[chain.name, chain.rules]]));
  const [source, destination] = family === 4 ? ["10.88.0.2", "192.0.2.10"] : ["fd00:88::2", "2001:db8::10"];
  const own = { bridgePort: "veth0a1b2c3d", protocol: "tcp", port: 443 };
  return trace({ start: chain.name, packet: { family, source, destination, ...own, ...packet } }).verdict;
}

const open = attachmentOf({ policy: { defaultAction: "ACCEPT" } });

describe("compileAttachmentChain", () => {
  test("goes through denies, static rules and accepts in this order, and passes after the last two if marked", () => {
    const jumps = { deny: ["D1", "D2"], static: "S", accept: ["A1", "A2"] };
    const { rules } = compileAttachmentChain(attachmentOf(), { family: 4, jumps });
    const chains = rules.flatMap(({ match, target }) => ("chain" in target ? [{ ...match, chain: target.chain }] : []));
    const pass = { isMarked: true, chain: PASS_CHAIN };
    const [d1, d2, s, a1, a2] = ["D1", "D2", "S", "A1", "A2"].map((chain) => ({ chain }));
    expect(chains).toEqual([d1, d2, s, pass, a1, a2, pass]);
  });

  test.each([
    ["ACCEPT", "accept"],
    ["DROP", "drop"],
    ["REJECT", "reject"],
  ] as const)("ends in the default action %s", (defaultAction, verdict) => {
    for (const family of [4, 6] as const) {
      const attachment = attachmentOf({ policy: { defaultAction } });
      expect(verdictOf(attachment, { protocol: "udp" }, family)).toBe(verdict);
      expect(verdictOf(attachment, { protocol: "tcp" }, family)).toBe(verdict);
    }
  });

  test("lets replies to connections from outside pass, and them alone", () => {
    expect(verdictOf(attachmentOf(), { isReply: true })).toBe("accept");
    expect(verdictOf(attachmentOf(), { isReply: false })).toBe("drop");
  });

  test("drops packets whose source is not the attachment's own, replies too", () => {
    for (const isReply of [true, false]) {
      expect(verdictOf(open, { source: "10.88.0.3", isReply })).toBe("drop");
      expect(verdictOf(open, { source: "fd00:88::3", isReply }, 6)).toBe("drop");
    }
    expect(verdictOf(open, {})).toBe("accept");
  });

  test("knows all of several addresses of one family", () => {
    const many = attachmentOf({
      addresses: ["10.88.0.2", "10.88.0.3", "fd00:88::2"],
      policy: { defaultAction: "ACCEPT" },
    });
    for (const mark of [0, 0x4000_0000]) {
      expect(verdictOf(many, { source: "10.88.0.2", mark })).toBe("accept");
      expect(verdictOf(many, { source: "10.88.0.3", mark })).toBe("accept");
      expect(verdictOf(many, { source: "10.88.0.4", mark })).toBe("drop");
    }
  });

  test("drops every packet of a family that the attachment has no address of", () => {
    const v4 = attachmentOf({ addresses: ["10.88.0.2"], policy: { defaultAction: "ACCEPT" } });
    expect(verdictOf(v4, {}, 6)).toBe("drop");
  });

  test("drops packets that come in elsewhere with the attachment's source", () => {
    expect(verdictOf(open, { bridgePort: "veth9" })).toBe("drop");
    const ptp = attachmentOf({
      hostInterface: { name: "veth1", isBridgePort: false },
      policy: { defaultAction: "ACCEPT" },
    });
    expect(verdictOf(ptp, { inInterface: "veth9" })).toBe("drop");
    expect(verdictOf(ptp, { inInterface: "veth1" })).toBe("accept");
  });

  test("judges by the source alone where the kernel shows no bridge port", () => {
    const chain = renderChain(compileAttachmentChain(open, { family: 4, jumps: NO_JUMPS }), 4);
    const packet = {
      family: 4,
      source: "10.88.0.2",
      destination: "192.0.2.10",
      protocol: "tcp",
      inInterface: "cni0",
    } as const;
    expect(createTracer(new Map([[chain.name, chain.rules]]))({ start: chain.name, packet }).verdict).toBe("accept");
  });

  test("filters traffic to the host unless it is to be left alone", () => {
    const allowing = attachmentOf({ policy: { hostTraffic: "allow" } });
    for (const family of [4, 6] as const) {
      expect(verdictOf(attachmentOf(), { destinationType: "LOCAL" }, family)).toBe("drop");
      expect(verdictOf(allowing, { destinationType: "LOCAL" }, family)).toBe("accept");
      expect(verdictOf(allowing, {}, family)).toBe("drop");
    }
    expect(verdictOf(allowing, { destinationType: "BROADCAST" })).toBe("accept");
  });

  test("leaves nothing alone that goes to a neighbour on the bridge", () => {
    const allowing = attachmentOf({ policy: { hostTraffic: "allow" } });
    for (const destinationType of ["BROADCAST", "LOCAL"] as const) {
      expect(verdictOf(allowing, { destinationType, isBridged: true })).toBe("drop");
    }
  });

  test.each([133, 134, 135, 136])("lets neighbour discovery of type %i pass on the link alone", (icmpv6Type) => {
    const solicitation = { protocol: "ipv6-icmp", icmpv6Type, source: "fe80::1" };
    expect(verdictOf(attachmentOf(), { ...solicitation, hopLimit: 255 }, 6)).toBe("accept");
    expect(verdictOf(attachmentOf(), { ...solicitation, hopLimit: 64 }, 6)).toBe("drop");
  });

  test.each([128, 132, 137])("lets no other ICMPv6 pass, type %i", (icmpv6Type) => {
    expect(verdictOf(attachmentOf(), { protocol: "ipv6-icmp", icmpv6Type, hopLimit: 255 }, 6)).toBe("drop");
  });

  test("logs what the default action stops, with as much of the allocation's id as fits", () => {
    const logging = (defaultAction: "ACCEPT" | "DROP") => {
      const attachment = attachmentOf({ policy: { logDenied: true, defaultAction } });
      return compileAttachmentChain(attachment, { family: 4, jumps: NO_JUMPS }).rules.flatMap(({ target }) =>
        target.kind === "log" ? [target.prefix] : [],
      );
    };
    expect(logging("DROP")).toEqual(["outbound 8623ac7a-28ba-20c3: "]);
    expect(logging("ACCEPT")).toEqual([]);
  });
});

describe("compileDispatch", () => {
  const target = { kind: "goto", chain: attachmentOf().chain };
  const v4 = { family: 4, address: "10.88.0.2", prefix: 32 };
  const v6 = { family: 6, address: "fd00:88::2", prefix: 128 };

  test("goes by the bridge port and by the addresses of the family", () => {
    const bridgePort = "veth0a1b2c3d";
    expect(compileDispatch(attachmentOf(), 4)).toEqual([
      { match: { bridgePort }, target },
      { match: { source: v4 }, target },
    ]);
    expect(compileDispatch(attachmentOf(), 6)).toEqual([
      { match: { bridgePort }, target },
      { match: { source: v6 }, target },
    ]);
  });

  test("goes by the interface where it is no bridge's port", () => {
    const ptp = attachmentOf({ hostInterface: { name: "veth1", isBridgePort: false } });
    expect(compileDispatch(ptp, 4)[0]).toEqual({ match: { inInterface: "veth1" }, target });
  });

  test("goes by addresses alone where no interface is known, and is empty where there is neither", () => {
    const { hostInterface: _, ...rest } = attachmentOf({ addresses: ["10.88.0.2"] });
    expect(compileDispatch(rest, 4)).toEqual([{ match: { source: v4 }, target }]);
    expect(compileDispatch(rest, 6)).toEqual([]);
  });
});
