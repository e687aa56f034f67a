import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { AttachmentList } from "../../lib/inspect/attachment-list.ts";
import type { AttachmentView } from "../../lib/inspect/attachment-view.ts";
import type { Explanation } from "../../lib/inspect/explain.ts";
import type { PassOutcome } from "../../lib/inspect/restore-changes.ts";
import type { UninstallReport } from "../../lib/inspect/uninstall-report.ts";
import { ensurePackages } from "../setup/packages.ts";
import { exampleConflist } from "../support/cni/conflist.ts";
import { outboundPath, runOutboundFor } from "../support/cni/outbound.ts";
import type { CommandOutcome } from "../support/command.ts";
import type { Container } from "../support/container.ts";
import { parseOwnJson } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { knowRuntimeRules, type RuleSets } from "../support/runtime-rules.ts";
import { inBothFamilies, savedRules } from "../support/saved-rules.ts";
import { variants, type Variant } from "../support/variant.ts";
import { startWatcher } from "../support/watcher.ts";

const firstId = "8f1c0001-1111-2222-3333-444455556666";
const secondId = "8f1c0002-1111-2222-3333-444455556666";

/** A node with two containers, of which `outbound` alone was added last. */
interface Installed {
  readonly node: ClientNode;
  readonly first: Container;
  readonly second: Container;
  /** All rules from before `outbound` came. */
  readonly rulesBefore: string;
  readonly ruleSets: RuleSets;
}

async function install(backend: Variant): Promise<Installed> {
  const node = await createNode({ backend });
  const { v4, v6 } = node.outside;
  await node.outside.listen({ addresses: [...v4, ...v6], ports: [443, 5432] });
  const plain = exampleConflist(node, { outbound: false });
  const first = await node.attach({ conflist: plain, containerId: firstId });
  const second = await node.attach({
    conflist: plain,
    containerId: secondId,
    identity: { region: "global", namespace: "batch", job: "load", group: "app" },
  });
  const rulesBefore = await savedRules(node);
  const ruleSets: RuleSets = {
    // Both deny one address: the wider scope comes first, though not by its key.
    [`node/${node.name}/freeze`]: { host: [v4[2], v6[2]], action: "DROP" },
    "namespace/default/freeze": { host: [v4[2], v6[2]], action: "REJECT" },
    "namespace/default/job/web/db": [
      { host: v4[3], proto: "udp", action: "DROP" },
      { host: [v4[3], v6[3]], port: 5432, proto: "tcp", action: "ACCEPT", comment: "orders" },
    ],
    "global/later": { rules: [{ action: "DROP" }], mode: "audit" },
  };
  knowRuntimeRules(node, ruleSets);
  const outboundRules = [
    { host: [v4[0], v6[0]], proto: "tcp", port: 443, action: "ACCEPT" },
    { host: [v4[1], v6[1]], action: "REJECT" },
  ];
  const conflist = exampleConflist(node, { outbound: { outboundRules } });
  for (const container of [first, second]) {
    expect(await runOutboundFor(node, container, { conflist, command: "ADD" })).toMatchObject({ exitCode: 0 });
  }
  return { node, first, second, rulesBefore, ruleSets };
}

function outbound(node: ClientNode, ...words: readonly string[]): Promise<CommandOutcome> {
  const where = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir];
  return node.exec([outboundPath, ...words, ...where], { allowFailure: true });
}

async function outboundJson<T>(node: ClientNode, ...words: readonly string[]): Promise<T> {
  const { stdout, stderr, exitCode } = await outbound(node, ...words, "--json");
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  return parseOwnJson<T>(stdout);
}

/** Packets that the rules of the first container counted, by where they are written. */
async function packets(node: ClientNode): Promise<Readonly<Record<string, number>>> {
  const { attachments } = await outboundJson<{ attachments: readonly AttachmentView[] }>(node, "show", firstId);
  const [view] = attachments;
  const rules = (view?.rules ?? []).map(({ from, counters }) => [from, counters?.packets ?? -1] as const);
  return Object.fromEntries([...rules, ["default", view?.defaultAction.counters?.packets ?? -1]]);
}

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("on a node with iptables-%s, the command line", (backend) => {
  let node: ClientNode;
  let first: Container;
  let ruleSets: RuleSets;

  beforeAll(async () => {
    ({ node, first, ruleSets } = await install(backend));
  });

  afterAll(async () => {
    await node.close();
  });

  test("lists attachments with their chains, in 80 columns", async () => {
    const { attachments, unreadable } = await outboundJson<AttachmentList>(node, "list");
    expect(unreadable).toEqual([]);
    expect(attachments).toMatchObject([
      { allocation: secondId, identity: { namespace: "batch", job: "load" }, network: "egress" },
      { allocation: firstId, addresses: first.addresses, kernel: { ipv4: "present", ipv6: "present" } },
    ]);
    const { stdout, exitCode } = await outbound(node, "list");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^8f1c0001 {2}default\/web\/app +egress +yes +yes$/m);
    expect(stdout).toContain("CNI-OUT-");
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("shows an allocation's rules in order of decision, with what they counted", async () => {
    const before = await packets(node);
    expect(Object.keys(before)).toEqual([
      `KV node/${node.name}/freeze[0]`,
      "KV namespace/default/freeze[0]",
      "KV namespace/default/job/web/db[0]",
      "conflist outboundRules[0]",
      "conflist outboundRules[1]",
      "KV namespace/default/job/web/db[1]",
      "default",
    ]);
    expect(Object.values(before).filter((count) => count < 0)).toEqual([]);
    const { v4, v6 } = node.outside;
    for (const [address, port] of [
      [v4[0], 443],
      [v6[0], 443],
      [v4[1], 443],
      [v6[3], 5432],
      [v4[3], 443],
    ] as const) {
      await first.connect({ address, port });
    }
    const after = await packets(node);
    const grown = Object.keys(before).filter((from) => Number(after[from]) > Number(before[from]));
    expect(grown).toEqual([
      "conflist outboundRules[0]",
      "conflist outboundRules[1]",
      "KV namespace/default/job/web/db[1]",
      "default",
    ]);
    const { stdout } = await outbound(node, "show", "8f1c0001");
    expect(stdout).toContain("2. Static rules\n");
    expect(stdout).toContain('KV namespace/default/job/web/db[1]: "orders"');
    expect(stdout).toContain("Audited: decides nothing, counts what it would have decided\n  KV global/later\n");
    expect(stdout).toContain("their counters are those of all attachments that go through\n");
  });

  test("explains what becomes of a connection as the kernel does it", async () => {
    const { v4, v6 } = node.outside;
    const questions = ([4, 6] as const).flatMap((family) =>
      (family === 4 ? v4 : v6).flatMap((address) =>
        [443, 5432].flatMap((port) =>
          (["tcp", "udp"] as const).map((protocol) => ({ family, address, port, protocol })),
        ),
      ),
    );
    const answers = await Promise.all(
      questions.map(async ({ family, address, port, protocol }) => {
        const destination = `${family === 4 ? address : `[${address}]`}:${port}/${protocol}`;
        const said = await outboundJson<{ explanations: readonly Explanation[] }>(
          node,
          "explain",
          "8f1c0001",
          destination,
        );
        return { destination, verdict: said.explanations[0]?.verdict };
      }),
    );
    const verdictOf = { open: "accept", timeout: "drop", refused: "reject", unreachable: "no route" } as const;
    const seen = [];
    for (const [index, { address, port, protocol }] of questions.entries()) {
      const probe = await first.connect({ address, port, protocol });
      seen.push({ destination: answers[index]?.destination, verdict: verdictOf[probe] });
    }
    expect(answers).toEqual(seen);
    expect(new Set(seen.map(({ verdict }) => verdict))).toEqual(new Set(["accept", "drop", "reject"]));
  });

  test("explains by which rule", async () => {
    const { exitCode, stdout } = await outbound(node, "explain", "8f1c0001", `${node.outside.v4[3]}:5432`);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("Verdict     accept\n");
    expect(stdout).toContain('From        KV namespace/default/job/web/db[1]: "orders"\n');
  });

  test("says what is wrong with an allocation, a destination or a command", async () => {
    expect(await outbound(node, "show", "8f1c")).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: `outbound: Cannot find allocation: "8f1c" fits 2:\n  ${firstId}  default/web/app\n  ${secondId}  batch/load/app\n`,
    });
    const outcomes = await Promise.all(
      [["show", "0000"], ["explain", "8f1c0001", "192.0.2.1"], ["explain", "8f1c0001"], ["uninstal"]].map((words) =>
        outbound(node, ...words),
      ),
    );
    expect(outcomes.map(({ exitCode }) => exitCode)).toEqual([1, 2, 2, 2]);
    expect(outcomes[1]?.stderr).toMatch(/^outbound: Cannot parse destination: .*expected 192\.0\.2\.1:443/);
  });

  test("says in a word that a node has no attachments", async () => {
    const empty = ["--state-dir", join(node.directory, "none"), "--cache-dir", node.cacheDir];
    const { stdout } = await node.exec([outboundPath, "list", ...empty]);
    expect(stdout).toBe("No container on this node is attached with outbound\n");
  });

  test("repairs in one pass what somebody flushed, and then has nothing to do", async () => {
    await inBothFamilies(node, "-F");
    const [address] = node.outside.v6;
    expect(await first.canReach({ address, port: 5432 })).toBe(true);
    const { attachments } = await outboundJson<AttachmentList>(node, "list");
    expect(attachments.map(({ kernel }) => kernel)).toEqual([0, 1].map(() => ({ ipv4: "empty", ipv6: "empty" })));

    const { changed, ...rest } = await outboundJson<PassOutcome>(node, "reconcile");
    expect(rest).toEqual({ attachments: 2, isSettled: true });
    expect(new Set(changed.map(({ family }) => family))).toEqual(new Set([4, 6]));
    expect(changed[0]?.written).toContain("CNI-OUTBOUND");
    expect(changed[0]?.anchored).toContain("FORWARD");
    expect(await first.canReach({ address, port: 5432 })).toBe(false);
    expect(await first.canReach({ address, port: 443, timeoutMs: 2_000 })).toBe(true);
    expect(await outbound(node, "reconcile")).toMatchObject({
      exitCode: 0,
      stdout: "Nothing had to be changed for 2 attachments\n",
    });
  });

  test("puts its jumps before a goto, which packets do not come back from, whatever chain it leads to", async () => {
    const [address] = node.outside.v6;
    const chain = "CNI-OUT-0123456789abcdef0123";
    await inBothFamilies(node, `-N ${chain}`, `-I FORWARD -g ${chain}`);
    expect(await first.canReach({ address, port: 5432 })).toBe(true);
    const { stderr } = await outbound(node, "reconcile");
    expect(stderr).toContain("Cannot remove chain: rules that are not ours lead to it");
    expect(await first.canReach({ address, port: 5432 })).toBe(false);
    expect(await first.canReach({ address, port: 443, timeoutMs: 2_000 })).toBe(true);

    await inBothFamilies(node, `-D FORWARD -g ${chain}`);
    await outboundJson<PassOutcome>(node, "reconcile");
  });

  test("removes no runtime deny in a pass that does not know the runtime rules", async () => {
    const [, , address] = node.outside.v4;
    await rm(node.cacheDir, { recursive: true });
    const pass = await outboundJson<PassOutcome>(node, "reconcile");
    expect(pass).toEqual({ attachments: 2, isSettled: false, changed: [] });
    const { [`node/${node.name}/freeze`]: _, ...others } = ruleSets;
    expect(await first.connect({ address, port: 443 })).toBe("timeout");

    knowRuntimeRules(node, others);
    await outboundJson<PassOutcome>(node, "reconcile");
    expect(await first.connect({ address, port: 443 })).toBe("refused");
  });
});

describe.each(variants)("on a node with iptables-%s, uninstall", (backend) => {
  test("shows what it would remove, and with --yes leaves nothing of ours behind", async () => {
    const { node, first, rulesBefore } = await install(backend);
    onTestFinished(() => node.close());
    const installed = await savedRules(node);
    expect(installed).not.toBe(rulesBefore);

    const preview = await outbound(node, "uninstall", "--json");
    expect(preview.exitCode).toBe(1);
    expect(preview.stderr).toMatch(/^outbound: Nothing was removed: .* add --yes/);
    const { isDone, families, files } = parseOwnJson<UninstallReport>(preview.stdout);
    expect(isDone).toBe(false);
    expect(files).toHaveLength(4);
    expect(await savedRules(node)).toBe(installed);
    expect(await first.canReach({ address: node.outside.v4[1], port: 443 })).toBe(false);

    const report = await outboundJson<UninstallReport>(node, "uninstall", "--yes");
    expect(report).toMatchObject({ isDone: true, families, leftFolders: [] });
    expect(await savedRules(node)).toBe(rulesBefore);
    expect([node.stateDir, node.cacheDir].filter((folder) => existsSync(folder))).toEqual([]);
    expect(await first.canReach({ address: node.outside.v4[1], port: 443, timeoutMs: 2_000 })).toBe(true);
    expect(await outbound(node, "uninstall", "--yes")).toMatchObject({
      exitCode: 0,
      stdout: "Nothing of outbound is on this node\n",
    });
  });

  test("refuses while a watcher runs, unless it is forced", async () => {
    const { node, rulesBefore } = await install(backend);
    onTestFinished(() => node.close());
    const watcher = await startWatcher(node);
    await watcher.waitForLine("Watcher started");
    const refusal = await outbound(node, "uninstall", "--yes");
    expect(refusal).toMatchObject({ exitCode: 1, stdout: "" });
    expect(refusal.stderr).toBe(
      "outbound: Cannot uninstall: a watcher runs on this node, stop it first or add --force\n",
    );
    expect(await savedRules(node)).not.toBe(rulesBefore);

    expect(await outbound(node, "uninstall", "--yes", "--force")).toMatchObject({ exitCode: 0 });
    expect(await watcher.stop()).toBe(0);
    expect(await savedRules(node)).toBe(rulesBefore);
  });
});
