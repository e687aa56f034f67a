import { expect, test } from "vitest";
import { viewAttachment } from "../../../lib/inspect/attachment-view.ts";
import { formatView } from "../../../lib/inspect/format-view.ts";
import { sharedChainName } from "../../../lib/netfilter/names.ts";
import { auditedBy, connection } from "../observed/fixtures.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";
import { attachmentWith, tableOf, unreadableKernel } from "./fixtures.ts";

test("an allocation's rules are shown in order of decision, with counters, sources and comments", () => {
  const attachment = attachmentWith({
    jobRules: [rule({ host: "10.9.0.0/16", action: "REJECT" })],
    policy: { staticRules: [rule({ proto: "udp", port: 53, action: "ACCEPT", comment: "dns" })] },
  });
  const runtimeRules = runtimeRulesOf({
    "global/later": { rules: [rule({ action: "DROP", comment: "from May" })], mode: "audit" },
    "global/over": { rules: [rule({ action: "DROP" })], expiresAt: 0 },
    "namespace/default/job/web/db": { rules: [rule({ host: "10.1.2.3", proto: "tcp", port: 5432, action: "ACCEPT" })] },
  });
  const context = { runtimeRules, nowMs: 0 };
  const count = (chain: string, text: string): number =>
    text.includes("--dport 5432") ? 123_456 : chain === sharedChainName("deny-audit", "global/later") ? 77 : 0;
  const kernel = { 4: tableOf([attachment], { family: 4, ...context, count }), 6: "absent" } as const;
  const observed = [
    connection({ decision: auditedBy("global/later"), destination: "10.1.2.3", port: 443, lines: 12 }),
    connection({ decision: { kind: "denied" }, destination: "10.1.2.4", port: 22, protocol: "tcp" }),
  ];
  expect(formatView(viewAttachment(attachment, { context, kernel, observed }), context).split("\n")).toEqual([
    "Allocation  8f1c2b3a-1111-2222-3333-444455556666",
    "Job         default/web/app",
    "Network     egress, eth0",
    "Addresses   10.88.0.2, fd00:88::2",
    "Chain       CNI-OUT-0123456789abcdef0123 (IPv4 present, IPv6 unused)",
    "To host     filtered by these rules too",
    "",
    " PACKETS     BYTES  RULE, first match decides",
    "1. Runtime and job rules that deny",
    "       0         0  REJECT all to 10.9.0.0/16",
    "                    job rules[0]",
    "2. Static rules",
    "       0         0  ACCEPT udp to any address port 53",
    '                    conflist outboundRules[0]: "dns"',
    "3. Runtime and job rules that accept",
    "  123456  12345600  ACCEPT tcp to 10.1.2.3 port 5432",
    "                    KV namespace/default/job/web/db[0]",
    "4. Default action",
    "       0         0  DROP everything else",
    "  denied tcp 10.1.2.4:22  once, last 00:00:00Z",
    "Audited: decides nothing, counts what it would have decided",
    "  KV global/later",
    "      77      7700  DROP all to any address",
    '                    "from May"',
    "  would have denied tcp 10.1.2.3:443  12 times, last 00:00:00Z",
    "Not deciding now",
    "  KV global/over: expired",
    "    DROP all to any address",
  ]);
});

test("a rule or a key that is longer than 80 columns goes on below", () => {
  const host = Array.from({ length: 9 }, (_, index) => `2001:db8:ffff:ffff:ffff:ffff:ffff:${index}`);
  const long = {
    rules: [rule({ host, proto: "tcp", port: "1-2,4-5,7-8", action: "DROP", comment: "why ".repeat(40) })],
  };
  const runtimeRules = runtimeRulesOf({
    [`namespace/${"n".repeat(60)}/job/${"j".repeat(60)}/x`]: long,
    "global/audited": { ...long, mode: "audit" },
    "global/over": { ...long, expiresAt: 0 },
  });
  const attachment = attachmentWith({
    identity: { namespace: "n".repeat(60), job: "j".repeat(60) },
    addresses: host,
  });
  const context = { runtimeRules, nowMs: 0 };
  const lines = formatView(viewAttachment(attachment, { context, kernel: unreadableKernel }), context).split("\n");
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  const text = lines.map((line) => line.trim()).join("");
  for (const key of runtimeRules.ruleSets.map((set) => set.key)) expect(text).toContain(key);
});

test("phases without rules say so, and counters that nobody read are dashes", () => {
  const context = { runtimeRules: { node: "n1", ruleSets: [] }, nowMs: 0 };
  const kernel = { 4: "unreadable", 6: "unreadable" } as const;
  const text = formatView(viewAttachment(attachmentWith(), { context, kernel }), context);
  expect(text.match(/^ {2}none$/gm)).toHaveLength(3);
  expect(text).toContain("\n      -        -  DROP everything else");
});

test("one whose identity is not known says so, since when, and what that means", () => {
  const context = { runtimeRules: { node: "n1", ruleSets: [] }, nowMs: 0 };
  const attachment = attachmentWith({ identity: { namespace: "default" } });
  const identityProblems = [{ problem: "Nomad answers 403", allocations: [attachment.containerId] }];
  const text = formatView(viewAttachment(attachment, { context, kernel: unreadableKernel, identityProblems }), context);
  expect(text.replaceAll(/\s+/g, " ")).toContain(
    `identity not known since ${attachment.addedAt}: Nomad answers 403. Only rule sets of all attachments`,
  );
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
});
