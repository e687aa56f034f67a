import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { auditPrefix, deniedPrefix, keyDigest } from "../../../lib/netfilter/log-prefix.ts";
import { parseLogLine } from "../../../lib/observed/parse-log-line.ts";

const denied = deniedPrefix("8f1c0001-1111-2222-3333-444455556666");
const mac = "MAC=8e:1d:5e:00:00:01:02:42:ac:11:00:02:08:00";

describe("parseLogLine", () => {
  test("reads a TCP packet that came in through a bridge's port", () => {
    const line = `${denied}IN=cni0 OUT=uplink PHYSIN=veth0a1b2c3d ${mac} SRC=10.88.0.2 DST=192.0.2.10 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=28526 DF PROTO=TCP SPT=45678 DPT=443 WINDOW=64240 RES=0x00 SYN URGP=0 `;
    expect(parseLogLine(line)).toEqual({
      as: { kind: "denied", allocationStart: "8f1c0001-1111-2222" },
      interfaces: ["veth0a1b2c3d", "cni0"],
      source: "10.88.0.2",
      destination: "192.0.2.10",
      protocol: "tcp",
      port: 443,
    });
  });

  test("reads an IPv6 packet, and prints its addresses as rules do", () => {
    const line = `${auditPrefix("accepted", "global/a")}IN=veth1 OUT=uplink ${mac} SRC=fd00:0088:0000:0000:0000:0000:0000:0002 DST=2001:0db8:ffff:0000:0000:0000:0000:0010 LEN=72 TC=0 HOPLIMIT=63 FLOWLBL=123456 PROTO=UDP SPT=5353 DPT=53 LEN=32 `;
    expect(parseLogLine(line)).toEqual({
      as: { kind: "audited", wouldBe: "accepted", digest: keyDigest("global/a") },
      interfaces: ["veth1"],
      source: "fd00:88::2",
      destination: "2001:db8:ffff::10",
      protocol: "udp",
      port: 53,
    });
  });

  test.each([
    ["PROTO=ICMP TYPE=8 CODE=0 ID=6634 SEQ=1", "icmp"],
    ["PROTO=ICMPv6 TYPE=128 CODE=0 ID=1 SEQ=1", "icmpv6"],
    ["PROTO=132", "sctp"],
    ["PROTO=47", "47"],
    ["PROTO=UDPLITE SPT=1 DPT=2 LEN=3", "udplite"],
    ["PROTO=TCP INCOMPLETE [4 bytes]", "tcp"],
    ["PROTO=TCP SPT=1 DPT=99999", "tcp"],
    ["FRAG:64 PROTO=TCP", "tcp"],
    ["OPT ( ) PROTO=ESP SPI=0x1", "esp"],
  ])("reads the protocol of %s", (text, protocol) => {
    const packet = parseLogLine(`${denied}IN=cni0 OUT= SRC=10.0.0.1 DST=10.0.0.2 LEN=84 ${text} `);
    expect(packet).toMatchObject({ protocol });
    expect(packet?.port).toBe(protocol === "udplite" ? 2 : undefined);
  });

  test("takes nothing from the packet that an ICMP error quotes", () => {
    const inner = "[SRC=192.0.2.9 DST=10.88.0.2 LEN=60 TOS=0x00 TTL=63 ID=0 DF PROTO=TCP SPT=1 DPT=443 ]";
    const line = `${denied}IN=cni0 OUT=uplink SRC=10.88.0.2 DST=192.0.2.9 LEN=88 PROTO=ICMP TYPE=3 CODE=3 ${inner} `;
    expect(parseLogLine(line)).toEqual({
      as: { kind: "denied", allocationStart: "8f1c0001-1111-2222" },
      interfaces: ["cni0"],
      source: "10.88.0.2",
      destination: "192.0.2.9",
      protocol: "icmp",
    });
  });

  test.each([
    "IN=cni0 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=TCP DPT=1",
    "[UFW BLOCK] IN=cni0 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=TCP DPT=1",
    `${denied}IN=cni0 OUT= SRC=10.0.0.1 DST=10.0.0.2`,
    `${denied}IN=cni0 OUT= SRC=10.0.0.1 PROTO=TCP`,
    `${denied}IN=cni0 OUT= SRC=host DST=10.0.0.2 PROTO=TCP`,
    `${denied}IN=cni0 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=`,
    `${denied}IN=cni0 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=\u001b[2J`,
    denied,
  ])("makes nothing of %j", (line) => {
    expect(parseLogLine(line)).toBeUndefined();
  });

  test("never throws", () => {
    const words = fc.array(fc.oneof(fc.string(), fc.constantFrom("SRC=", "DST=10.0.0.1", "[", "PROTO=TCP", "DPT=-1")));
    const parse = (texts: readonly string[]): unknown => parseLogLine(`${denied}${texts.join(" ")}`);
    fc.assert(
      fc.property(words, (texts) => {
        expect(() => parse(texts)).not.toThrow();
      }),
    );
  });
});
