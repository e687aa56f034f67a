import { expect, test } from "vitest";
import { viewAttachment } from "../../../lib/inspect/attachment-view.ts";
import { formatView } from "../../../lib/inspect/format-view.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";
import { attachmentWith, tableOf } from "./fixtures.ts";

test("an allocation's rules are shown in order of decision, with counters, sources and comments", () => {
  const attachment = attachmentWith({
    jobRules: [rule({ host: "10.9.0.0/16", action: "REJECT" })],
    policy: { staticRules: [rule({ proto: "udp", port: 53, action: "ACCEPT", comment: "dns" })] },
  });
  const runtimeRules = runtimeRulesOf({
    "global/later": { rules: [rule({ action: "DROP" })], mode: "audit" },
    "namespace/default/job/web/db": { rules: [rule({ host: "10.1.2.3", proto: "tcp", port: 5432, action: "ACCEPT" })] },
  });
  const context = { runtimeRules, nowMs: 0 };
  const count = (_: string, text: string): number => (text.includes("--dport 5432") ? 123_456 : 0);
  const kernel = { 4: tableOf([attachment], { family: 4, ...context, count }), 6: "absent" } as const;
  expect(formatView(viewAttachment(attachment, { context, kernel })).split("\n")).toEqual([
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
    "Not deciding now",
    "  KV global/later: mode audit",
    "    DROP all to any address",
  ]);
});

test("phases without rules say so, and counters that nobody read are dashes", () => {
  const context = { runtimeRules: { node: "n1", ruleSets: [] }, nowMs: 0 };
  const kernel = { 4: "unreadable", 6: "unreadable" } as const;
  const text = formatView(viewAttachment(attachmentWith(), { context, kernel }));
  expect(text.match(/^ {2}none$/gm)).toHaveLength(3);
  expect(text).toContain("\n      -        -  DROP everything else");
});
