import { describe, expect, test } from "vitest";
import type { RuleMatch, Target } from "../../../lib/netfilter/chain.ts";
import { FORMAT, renderChain, renderRule } from "../../../lib/netfilter/render-rule.ts";
import { parseCidr } from "../../../lib/policy/address.ts";

const [v4, v6] = ["10.1.0.0/16", "2001:db8::1/128"].map(parseCidr);
const drop: Target = { kind: "drop" };

/** The text without the comment. */
function textOf(match: RuleMatch, target: Target = drop, family: 4 | 6 = 4): string {
  return renderRule({ match, target }, family).text.replace(/-m comment --comment outbound:\d+:[0-9a-f]{16} /, "");
}

describe("renderRule", () => {
  test.each<[RuleMatch, string]>([
    [{}, ""],
    [{ ...(v4 && { source: v4 }) }, "-s 10.1.0.0/16"],
    [{ ...(v4 && { notSource: v4 }) }, "! -s 10.1.0.0/16"],
    [{ ...(v6 && { destination: v6 }) }, "-d 2001:db8::1/128"],
    [{ inInterface: "veth1" }, "-i veth1"],
    [{ notInInterface: "veth1" }, "! -i veth1"],
    [{ bridgePort: "veth1" }, "-m physdev --physdev-in veth1"],
    [{ notBridgePort: "veth1" }, "-m physdev ! --physdev-in veth1 --physdev-is-in"],
    [{ isBridged: false }, "-m physdev ! --physdev-is-bridged"],
    [{ protocol: "icmp" }, "-p icmp"],
    [{ protocol: "ipv6-icmp" }, "-p ipv6-icmp"],
    [{ protocol: "tcp" }, "-p tcp"],
    [{ protocol: "tcp", destinationPorts: [] }, "-p tcp"],
    [{ protocol: "tcp", destinationPorts: [{ first: 0, last: 0 }] }, "-p tcp -m tcp --dport 0"],
    [{ protocol: "udp", destinationPorts: [{ first: 1, last: 65_535 }] }, "-p udp -m udp --dport 1:65535"],
    [
      {
        protocol: "sctp",
        destinationPorts: [
          { first: 1, last: 1 },
          { first: 3, last: 4 },
        ],
      },
      "-p sctp -m multiport --dports 1,3:4",
    ],
    [{ isReply: true }, "-m conntrack --ctdir REPLY"],
    [{ isNew: true }, "-m conntrack --ctstate NEW"],
    [{ isNew: false }, "-m conntrack ! --ctstate NEW"],
    [{ isMarked: true }, "-m mark --mark 0x40000000/0x40000000"],
    [{ isMarked: false }, "-m mark ! --mark 0x40000000/0x40000000"],
    [{ destinationType: "LOCAL" }, "-m addrtype --dst-type LOCAL"],
    [{ destinationType: "BROADCAST" }, "-m addrtype --dst-type BROADCAST"],
    [{ limitPerSecond: 10 }, "-m limit --limit 10/second --limit-burst 20"],
  ])("writes the match %j as %s", (match, text) => {
    expect(textOf(match)).toBe(`${text} -j DROP`.trim());
  });

  test("matches neighbour discovery only on the link, and only in IPv6", () => {
    const match = { onLinkIcmpv6Type: 135 };
    expect(textOf(match, drop, 6)).toBe("-p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j DROP");
    expect(() => renderRule({ match, target: drop }, 4)).toThrow("Cannot render rule: ICMPv6 in IPv4");
  });

  test.each<[Target, string]>([
    [{ kind: "jump", chain: "X" }, "-j X"],
    [{ kind: "goto", chain: "X" }, "-g X"],
    [{ kind: "drop" }, "-j DROP"],
    [{ kind: "reject" }, "-j REJECT"],
    [{ kind: "reset" }, "-j REJECT --reject-with tcp-reset"],
    [{ kind: "return" }, "-j RETURN"],
    [{ kind: "mark" }, "-j MARK --set-xmark 0x40000000/0x40000000"],
    [{ kind: "unmark" }, "-j MARK --set-xmark 0x0/0x40000000"],
    [{ kind: "log", prefix: "outbound x: " }, '-j LOG --log-prefix "outbound x: "'],
    [{ kind: "log", prefix: "outbound !x: ", level: "debug" }, '-j LOG --log-prefix "outbound !x: " --log-level debug'],
  ])("writes the target %j as %s", (target, text) => {
    expect(textOf({}, target)).toBe(text);
  });

  test("joins all conditions, the comment and the target", () => {
    const match: RuleMatch = {
      ...(v4 && { destination: v4 }),
      protocol: "tcp",
      destinationPorts: [{ first: 443, last: 443 }],
    };
    const { text, hash } = renderRule({ match, target: { kind: "goto", chain: "X" } }, 4);
    expect(text).toBe(`-d 10.1.0.0/16 -p tcp -m tcp --dport 443 -m comment --comment outbound:${hash} -g X`);
    expect(hash).toMatch(/^1:[0-9a-f]{16}$/);
  });

  test("gives rules that differ in anything another hash, and equal ones the same", () => {
    const matches: readonly RuleMatch[] = [{}, { inInterface: "a" }, { notInInterface: "a" }, { inInterface: "b" }];
    const targets: readonly Target[] = [drop, { kind: "jump", chain: "X" }, { kind: "goto", chain: "X" }];
    const all = matches.flatMap((match) => targets.map((target) => renderRule({ match, target }, 4).hash));
    expect(new Set(all).size).toBe(all.length);
    expect(all).toEqual(matches.flatMap((match) => targets.map((target) => renderRule({ match, target }, 4).hash)));
  });

  test("names the format that the golden files were written in", () => {
    expect(FORMAT).toBe(1);
  });
});

test("renderChain keeps the name and the order", () => {
  const rules = [
    { match: {}, target: drop },
    { match: {}, target: { kind: "return" } as const },
  ];
  expect(renderChain({ name: "X", rules }, 4)).toEqual({ name: "X", rules: rules.map((rule) => renderRule(rule, 4)) });
});
