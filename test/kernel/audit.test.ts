import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { AttachmentView } from "../../lib/inspect/attachment-view.ts";
import { auditPrefix } from "../../lib/netfilter/log-prefix.ts";
import { ensurePackages } from "../setup/packages.ts";
import { exampleConflist } from "../support/cni/conflist.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import type { Container } from "../support/container.ts";
import { parseOwnJson } from "../support/json.ts";
import { logFromAllNamespaces } from "../support/namespace-logs.ts";
import { createNode, type ClientNode } from "../support/network-namespace.ts";
import { applyRuntimeRules, type RuleSets } from "../support/runtime-rules.ts";
import { variants } from "../support/variant.ts";
import { type LogLine, startWatcher } from "../support/watcher.ts";

/** The kernel's log is one for all namespaces: keys that no other run has. */
const run = randomBytes(4).toString("hex");
const denyKey = `global/deny-${run}`;
const openKey = `namespace/default/job/web/open-${run}`;

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("with iptables-%s, an audited rule set", (backend) => {
  let node: ClientNode;
  let container: Container;
  let restoreSetting: () => void;
  let ruleSets: RuleSets;
  const both = (index: 0 | 1 | 2 | 3) => [node.outside.v4[index], node.outside.v6[index]];

  beforeAll(async () => {
    restoreSetting = logFromAllNamespaces();
    node = await createNode({ backend });
    await node.outside.listen({ addresses: [...both(0), ...both(1), ...both(2)], ports: [443] });
    ruleSets = {
      [denyKey]: {
        mode: "audit",
        rules: [
          { host: both(0), proto: "tcp", port: 443, action: "REJECT" },
          { host: both(0), action: "DROP" },
        ],
      },
      [openKey]: {
        mode: "audit",
        rules: [
          { host: both(2), action: "REJECT" },
          { host: [...both(1), ...both(2)], proto: "udp", port: 443, action: "ACCEPT" },
        ],
      },
    };
    const outbound = { logDenied: true, outboundRules: [{ host: both(0), action: "ACCEPT" }] };
    container = await node.attach({ conflist: exampleConflist(node, { outbound }) });
  });

  afterAll(async () => {
    restoreSetting();
    await node.close();
  });

  test("decides nothing, and counts what it would have decided once a packet", async () => {
    await applyRuntimeRules(node, {});
    const verdicts = () =>
      Promise.all(
        [...both(0), ...both(1), ...both(2)].flatMap((address) =>
          (["tcp", "udp"] as const).map((protocol) => container.connect({ address, port: 443, protocol })),
        ),
      );
    const without = await verdicts();
    expect(new Set(without)).toEqual(new Set(["open", "timeout"]));
    await applyRuntimeRules(node, ruleSets);
    const before = await view();
    expect(await verdicts()).toEqual(without);
    const after = await view();
    const grown = (pick: (of: AttachmentView) => number | undefined) => Number(pick(after)) - Number(pick(before));
    const [tcp, others, refused, opened] = [
      [denyKey, 0],
      [denyKey, 1],
      [openKey, 0],
      [openKey, 1],
    ].map(([key, index]) =>
      grown(({ audited }) => audited.find((set) => set.key === key)?.rules[Number(index)]?.counters?.packets),
    );
    // Whatever it would have denied, the static rule has let go on; one datagram of each family was none of TCP's.
    expect(Number(tcp) + Number(others)).toBe(grown(({ rules }) => rules[0]?.counters?.packets));
    expect(others).toBe(2);
    expect(tcp).toBeGreaterThanOrEqual(2 * 3);
    // Its own denies come before its accepts, in one set too; and the default action has decided all of these.
    expect(opened).toBe(2);
    expect(refused).toBeGreaterThanOrEqual(2 * 2);
    expect(grown(({ defaultAction }) => defaultAction.counters?.packets)).toBeGreaterThanOrEqual(4 + 2);
  });

  test("is told by the watcher with allocation, job and destination, and so is what the default action denies", async () => {
    await applyRuntimeRules(node, ruleSets);
    const watcher = await startWatcher(node);
    onTestFinished(() => watcher.kill());
    await watcher.waitForLine("Watcher started");
    for (const [index] of [4, 6].entries()) {
      const [denied = "", opened = ""] = [both(0)[index], both(1)[index]];
      expect(await container.connect({ address: denied, port: 443, timeoutMs: 2_000 })).toBe("open");
      expect(await container.connect({ address: opened, port: 443, protocol: "udp" })).toBe("timeout");
      const whose = {
        allocation: container.containerId,
        namespace: "default",
        job: "web",
        group: "app",
        network: "egress",
      };
      const isFor = (protocol: string, destination: string) => (line: LogLine) =>
        line["protocol"] === protocol && line["destination"] === destination && line["port"] === 443;
      const would = (what: string) => `An audited rule set would have ${what} a connection`;
      expect(await watcher.waitForLine(would("denied"), { where: isFor("tcp", denied) })).toMatchObject({
        ...whose,
        key: denyKey,
      });
      expect(await watcher.waitForLine(would("accepted"), { where: isFor("udp", opened) })).toMatchObject({
        ...whose,
        key: openKey,
      });
      expect(await watcher.waitForLine("Denied a connection", { where: isFor("udp", opened) })).toMatchObject(whose);
    }
    // No program can make the watcher believe that a packet was seen.
    const forged = `${auditPrefix("denied", denyKey)}IN=x OUT= SRC=${container.v4} DST=203.0.113.66 PROTO=TCP DPT=1`;
    writeFileSync("/dev/kmsg", `<4>${forged}\n`);
    expect(await container.connect({ address: node.outside.v4[0], port: 443, protocol: "udp" })).toBe("open");
    await watcher.waitForLine("An audited rule set would have denied a connection", {
      where: (line) => line["protocol"] === "udp" && line["destination"] === node.outside.v4[0],
    });
    expect(watcher.lines().filter((line) => line["destination"] === "203.0.113.66")).toEqual([]);
    expect(await watcher.stop()).toBe(0);

    const { stdout } = await outbound("show", container.containerId.slice(0, 8));
    expect(stdout).toMatch(
      new RegExp(`would have denied tcp ${node.outside.v4[0]}:443 {2}(once|\\d+ times), last \\d\\d:`),
    );
    expect(stdout).toMatch(new RegExp(`would have accepted udp \\[${node.outside.v6[1]}\\]:443 {2}once, last `));
    expect(stdout).toMatch(new RegExp(`  denied udp ${node.outside.v4[1]}:443 {2}once, last `));
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("stops no scan, however many destinations it sees", async () => {
    const everything = { rules: [{ action: "DROP" }], mode: "audit" };
    const scanned = Array.from({ length: 250 }, (_, index) => `198.51.100.${index + 1}`);
    await applyRuntimeRules(node, {
      [denyKey]: everything,
      [openKey]: { host: node.outside.block4, action: "ACCEPT" },
    });
    const { stdout } = await container.exec([
      "sh",
      "-c",
      "for a; do ping -n -c 1 -W 1 $a >/dev/null && echo $a; done",
      "sh",
      ...scanned,
    ]);
    expect(stdout.trim().split("\n")).toEqual(scanned);
  });

  test("leaves nothing behind when it goes", async () => {
    await applyRuntimeRules(node, ruleSets);
    const ours = async () => (await node.exec(["iptables-save"])).stdout.match(/^:CNI-OUT[DA][AL]-/gm)?.length ?? 0;
    expect(await ours()).toBe(6);
    await applyRuntimeRules(node, {});
    expect(await ours()).toBe(0);
  });

  async function view(): Promise<AttachmentView> {
    const { stdout } = await outbound("show", container.containerId, "--json");
    const [first] = parseOwnJson<{ attachments: readonly AttachmentView[] }>(stdout).attachments;
    if (!first) throw new Error(`Cannot find attachment: ${stdout}`);
    return first;
  }

  function outbound(...words: readonly string[]) {
    return node.exec([outboundPath, ...words, "--state-dir", node.stateDir, "--cache-dir", node.cacheDir]);
  }
});
