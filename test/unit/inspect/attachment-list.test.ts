import { expect, test } from "vitest";
import { formatAttachmentList, listAttachments } from "../../../lib/inspect/attachment-list.ts";
import { attachmentWith, tableOf, unreadableKernel } from "./fixtures.ts";

const web = attachmentWith();
const nameless = attachmentWith({
  containerId: "00000000-aaaa",
  chain: "CNI-OUT-ffffffffffffffffffff",
  identity: {},
  addresses: ["10.88.0.3"],
});
const long = attachmentWith({
  containerId: "11111111-bbbb",
  network: "a-network-with-quite-a-long-name",
  identity: { namespace: "data-platform", job: "nightly-import/periodic-1700000000", group: "import" },
  addresses: ["2001:db8:1111:2222:3333:4444:5555:6666"],
});
const context = { runtimeRules: { node: "n1", ruleSets: [] }, nowMs: 0 };

test("attachments come by namespace, job and group, whole ids included", () => {
  const { attachments } = listAttachments([web, long, nameless], { kernel: unreadableKernel, unreadable: new Set() });
  expect(attachments.map(({ allocation }) => allocation)).toEqual(
    [nameless, long, web].map(({ containerId }) => containerId),
  );
});

test("the table says whose chain is in the kernel, and stays within 80 columns", () => {
  const kernel = { 4: tableOf([web], { family: 4, ...context }), 6: "absent" } as const;
  const text = formatAttachmentList(
    listAttachments([web, nameless, long], {
      kernel,
      unreadable: new Set(["CNI-OUT-eeeeeeeeeeeeeeeeeeee"]),
      identityProblems: [
        { problem: "Cannot read allocation from Nomad: Nomad answers 403", allocations: [nameless.containerId] },
      ],
    }),
  );
  expect(text.split("\n")).toEqual([
    "ALLOC     NAMESPACE/JOB/GROUP             NETWORK             IPV4     IPV6",
    "          CHAIN                         ADDRESSES",
    "00000000  unknown                         egress              MISSING  -",
    "          CNI-OUT-ffffffffffffffffffff  10.88.0.3",
    "          identity not known since 2026-11-24T06:19:00Z: Cannot read allocation",
    "            from Nomad: Nomad answers 403",
    "11111111  data-platform/nightly-import/…  a-network-with-qu…  yes      -",
    "          CNI-OUT-0123456789abcdef0123  2001:db8:1111:2222:3333:4444:5555:6666",
    "8f1c2b3a  default/web/app                 egress              yes      -",
    "          CNI-OUT-0123456789abcdef0123  10.88.0.2",
    "                                        fd00:88::2",
    "The record of CNI-OUT-eeeeeeeeeeeeeeeeeeee cannot be read: its chain stays as it is until DEL",
  ]);
  const table = text.split("\n").slice(0, -1);
  expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(80);
});

test("a kernel that cannot be read is no missing chain", () => {
  const list = listAttachments([web], { kernel: unreadableKernel, unreadable: new Set() });
  expect(list.attachments[0]?.kernel).toEqual({ ipv4: "unknown", ipv6: "unknown" });
  expect(formatAttachmentList(list)).toMatch(/egress {3}\? {5}\?\n/);
});

test("a node without attachments says so", () => {
  const list = listAttachments([], { kernel: unreadableKernel, unreadable: new Set() });
  expect(formatAttachmentList(list)).toBe("No container on this node is attached with outbound");
});

test("what is not known of an identity is said with why, as far as the watcher has said it", () => {
  const options = { kernel: unreadableKernel, unreadable: new Set<string>() };
  const since = nameless.addedAt;
  expect(listAttachments([nameless], options).attachments[0]?.unidentified).toEqual({ since });
  const identityProblems = [{ problem: "refused\u001b[31m", allocations: [nameless.containerId] }];
  const list = listAttachments([nameless, web], { ...options, identityProblems });
  expect(list.attachments.map(({ unidentified }) => unidentified)).toEqual([
    { since, problem: "refused\u001b[31m" },
    undefined,
  ]);
  expect(formatAttachmentList(list)).not.toContain("\u001b");
});
