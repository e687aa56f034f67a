import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Container } from "../support/container.ts";
import { type Destination, type Flow } from "../support/traffic/endpoint.ts";
import { variants } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import {
  acceptTo,
  conflistOf,
  CONTRACT_MS,
  families,
  type RunningNode,
  savedRules,
  startRunningNode,
  tell,
  untilVerdict,
} from "./running-node.ts";

const protocols = ["tcp", "udp"] as const;

describe.each(variants)("with iptables-%s", (backend) => {
  let running: RunningNode;
  let watcher: Watcher;
  let container: Container;

  beforeAll(async () => {
    running = await startRunningNode({ backend });
    watcher = await startWatcher(running.node);
    container = await running.node.attach({ conflist: running.conflist });
    await watcher.waitForLine("In sync with Consul");
  });

  afterAll(async () => {
    await running.close();
  });

  test("what was blocked opens with a rule in KV, and with its removal what is open is cut", async () => {
    const everyWay = families.flatMap((family) =>
      protocols.map((protocol) => ({ address: running.outside[family], port: 1000, protocol })),
    );
    for (const way of everyWay) expect(await container.connect({ ...way, timeoutMs: 100 })).toBe("timeout");
    const key = "namespace/default/job/web/allow";
    const putAtMs = await running.put(key, acceptTo(running, 1000));
    for (const way of everyWay) {
      const tookMs = await untilVerdict(container, way, "open", { sinceMs: putAtMs });
      tell(`${backend} ${way.protocol} ${way.address} open after put`, tookMs);
      expect(tookMs).toBeLessThan(CONTRACT_MS);
    }
    const flows = await Promise.all(everyWay.map((way) => container.openFlow(way)));
    await expectAllCut(flows, await running.remove(key), `${backend} cut after delete`);
    for (const way of everyWay) expect(await container.connect({ ...way, timeoutMs: 100 })).toBe("timeout");
    for (const flow of flows) await flow.close();
  });

  test("a deny in KV cuts what static rules let through, and its removal lets it through again", async () => {
    const everyWay = running.allowed.flatMap((way) => protocols.map((protocol) => ({ ...way, protocol })));
    const flows = await Promise.all(everyWay.map((way) => container.openFlow(way)));
    const putAtMs = await running.put("global/deny", { port: 80, proto: "tcp", action: "DROP" });
    await running.put("namespace/default/deny", [{ port: 80, proto: "udp", action: "DROP" }]);
    await expectAllCut(flows, putAtMs, `${backend} cut after put`);
    for (const way of everyWay) expect(await container.connect({ ...way, timeoutMs: 100 })).toBe("timeout");
    for (const flow of flows) await flow.close();
    const removedAtMs = await running.remove("global/deny");
    await running.remove("namespace/default/deny");
    for (const way of everyWay) {
      expect(await untilVerdict(container, way, "open", { sinceMs: removedAtMs })).toBeLessThan(CONTRACT_MS);
    }
  });

  test("removing an accept from a set cuts what it had let in, and leaves what the others let in", async () => {
    const [cut, kept] = [1001, 1002].map((port) => ({ address: running.outside[4], port }));
    if (!cut || !kept) throw new Error("two destinations");
    const key = "global/two";
    const putAtMs = await running.put(key, [...acceptTo(running, 1001), ...acceptTo(running, 1002)]);
    for (const way of [cut, kept]) await untilVerdict(container, way, "open", { sinceMs: putAtMs });
    const [cutFlow, keptFlow] = await Promise.all([container.openFlow(cut), container.openFlow(kept)]);
    const changedAtMs = await running.put(key, acceptTo(running, 1002));
    await expectAllCut([cutFlow], changedAtMs, `${backend} cut after change`);
    const state = await keptFlow.close();
    await cutFlow.close();
    const gapsMs = state.replies.map(
      ({ repliedAtMs }, index) => repliedAtMs - (state.replies[index - 1]?.repliedAtMs ?? repliedAtMs),
    );
    expect(Math.max(...gapsMs)).toBeLessThan(CONTRACT_MS);
    await running.remove(key);
  });

  test("each scope reaches exactly the attachments that are in it", async () => {
    const { node, conflist } = running;
    const otherNetwork = conflistOf(node, {
      name: "other",
      bridge: "cni1",
      subnet4: "10.89.0.0/16",
      subnet6: "fd00:89::/64",
    });
    const base = { region: "global", namespace: "default", job: "web", group: "app" };
    const dispatched = "web/dispatch-1700000000-0a1b2c3d";
    const attachments = [
      await node.attach({ conflist, containerId: "alloc-a", identity: base }),
      await node.attach({ conflist, identity: { ...base, group: "db" } }),
      await node.attach({ conflist: otherNetwork, identity: { ...base, namespace: "team b" } }),
      await node.attach({ conflist, identity: { ...base, job: dispatched } }),
      await node.attach({ conflist, identity: { ...base, job: `${dispatched}/periodic-1700000000` } }),
    ];
    onTestFinished(async () => {
      for (const each of attachments) await each.detach();
    });
    // Which of the five above, in order, a rule set of each scope applies to.
    const scopes = Object.entries({
      global: "abcde",
      "node/n1": "abcde",
      "node/n2": "",
      "network/egress": "abde",
      "network/other": "c",
      "namespace/default": "abde",
      "namespace/team=20b": "c",
      "namespace/default/job/web": "abde",
      "namespace/team=20b/job/web": "c",
      "namespace/default/job/web/group/app": "ade",
      "namespace/default/job/web/group/db": "b",
      "namespace/default/job/web=2Fdispatch-1700000000-0a1b2c3d": "de",
      "namespace/default/job/other": "",
      "namespace/default/job/we": "",
      "namespace/default/alloc/alloc-a": "a",
      "namespace/team=20b/alloc/alloc-a": "",
    });
    const putAtMs: number[] = [];
    for (const [index, [scope]] of scopes.entries()) {
      putAtMs.push(await running.put(`${scope}/allow`, acceptTo(running, 1000 + index)));
    }
    const isMember = (members: string, index: number) => members.includes("abcde".charAt(index));
    for (const [index, [, members]] of scopes.entries()) {
      for (const family of families) {
        const destination = { address: running.outside[family], port: 1000 + index };
        const inScope = attachments.filter((_, each) => isMember(members, each));
        for (const each of inScope) await untilVerdict(each, destination, "open", { timeoutMs: 2_000 });
      }
    }
    for (const family of families) {
      const reached = await Promise.all(
        scopes.map(async ([scope], index) => {
          const destination = { address: running.outside[family], port: 1000 + index, timeoutMs: 400 };
          const can = await Promise.all(attachments.map((each) => each.canReach(destination)));
          return [scope, can.map((is, each) => (is ? "abcde".charAt(each) : "")).join("")];
        }),
      );
      expect(Object.fromEntries(reached)).toEqual(Object.fromEntries(scopes));
    }
    await running.removeAll();
    for (const family of families) {
      await untilVerdict(container, { address: running.outside[family], port: 1000 }, "timeout");
    }
  });

  test("a bad value keeps the last good version, is told with its place, and holds up no other", async () => {
    const good = { address: running.outside[4], port: 1003 };
    const next = { address: running.outside[6], port: 1004 };
    await running.put("global/kept", { rules: acceptTo(running, 1003) });
    await untilVerdict(container, good, "open");
    const skip = watcher.lines().length;
    await running.put("global/kept", {
      rules: [...acceptTo(running, 1003), { host: "10.0.0.0/8", proto: "tcp", port: 70_000, action: "DROP" }],
    });
    await running.put("global/never-good", { host: "example.org", action: "ACCEPT" });
    const putAtMs = await running.put("global/next", acceptTo(running, 1004));
    expect(await untilVerdict(container, next, "open", { sinceMs: putAtMs })).toBeLessThan(CONTRACT_MS);
    expect(await container.connect({ ...good, timeoutMs: 1_000 })).toBe("open");
    const rejected = "Rejected a rule set, its last good version stays in force";
    const told = await watcher.waitForLine(rejected, { skip, where: ({ key }) => key === "global/kept" });
    expect(told.level).toBe("warn");
    expect(told["keptModifyIndex"]).toBeTypeOf("number");
    expect(JSON.stringify(told["issues"])).toMatch(/"\$\.rules\[2\]\.port".*70000.*expected/);
    const whole = "Rejected a rule set, nothing of it is in force";
    const other = await watcher.waitForLine(whole, { skip, where: ({ key }) => key === "global/never-good" });
    expect(JSON.stringify(other["issues"])).toMatch(/"\$\.host".*example\.org.*expected/);
    expect(await watcher.metrics()).toMatchObject({ outbound_rejected_rule_sets: 2 });
    for (const name of ["kept", "never-good", "next"]) await running.remove(`global/${name}`);
    await untilVerdict(container, good, "timeout");
    expect(await watcher.metrics()).toMatchObject({ outbound_rejected_rule_sets: 0 });
  });

  test("hostile values change nothing, and nothing of them reaches the kernel", async () => {
    const before = await savedRules(running.node);
    const injection = "1.2.3.4 -j ACCEPT\nCOMMIT\n*filter\n-I FORWARD -j ACCEPT\nCOMMIT\nhostile";
    const texts = [
      "",
      "\0\0\0hostile",
      "null",
      '"hostile"',
      "-I FORWARD -j ACCEPT",
      "hostile ".repeat(65_536),
      "[".repeat(200_000),
      `{"rules":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
      JSON.stringify(Array.from({ length: 4_000 }, () => ({ hostile: 1 }))),
      JSON.stringify({ rules: [], description: injection.repeat(4_000) }),
      JSON.stringify({ rules: [{ action: "ACCEPT" }], mode: "audit", description: '"; iptables -F; hostile "' }),
      `{"__proto__":{"mode":"audit"},"action":"ACCEPT"}`,
      ...["host", "proto", "port", "action"].flatMap((field) =>
        [injection, `"${injection}"`, "$(hostile)", "\u0000hostile"].map((value) =>
          JSON.stringify({ action: "ACCEPT", [field]: value }),
        ),
      ),
    ];
    const json = JSON.stringify({ action: "ACCEPT" });
    const bytes = [
      Buffer.from(json, "utf16le"),
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(json, "utf16le")]),
      Buffer.from('{"action":"ACCEPT","comment":"\xe9hostile"}', "latin1"),
      Buffer.concat([Buffer.from(json), Buffer.from([0])]),
      Buffer.from([0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xff]),
      Buffer.alloc(380_000, 0xfe),
    ];
    for (const [index, text] of texts.entries()) await running.put(`global/text-${index}`, text);
    for (const [index, value] of bytes.entries()) await putBytes(running, `global/bytes-${index}`, value);
    await running.put("global/worded", {
      rules: [{ host: "192.0.2.13", action: "DROP", comment: injection }],
      description: injection,
    });
    await waitUntil(async () => (await savedRules(running.node)).includes("-d 192.0.2.13/32"), {
      what: "the last rule set to be in force",
    });
    expect(await savedRules(running.node)).not.toMatch(/hostile|1\.2\.3\.4/);
    expect(await container.connect({ address: running.outside[4], port: 1000, timeoutMs: 100 })).toBe("timeout");
    const written = [...texts, ...bytes].length;
    const metrics = await watcher.metrics();
    const rejected = metrics["outbound_rejected_rule_sets"];
    const inForce = ["enforced", "audited", "expired", "pending", "kept"];
    const counts = inForce.map((state) => metrics[`outbound_rule_sets{state="${state}"}`] ?? Number.NaN);
    const known = counts.reduce((total, count) => total + count, 0);
    // Two are valid and decide nothing, one is valid and was looked for.
    expect({ rejected, known }).toEqual({ rejected: written - 2, known: 3 });
    // What is audited has chains that count.
    await running.remove(`global/text-${texts.findIndex((text) => text.includes('"mode":"audit","description"'))}`);
    await running.remove("global/worded");
    await waitUntil(async () => (await savedRules(running.node)) === before, { what: "the chains to be as before" });
    await running.removeAll();
  });

  test("a key that fits no scope is told, and a folder is passed over", async () => {
    const skip = watcher.lines().length;
    const folders = ["", "global/", "namespace/", "namespace/default/", "namespace/default/job/web/"];
    for (const folder of folders) await running.put(folder, "");
    for (const key of ["global/a/b", "namespace/default/jobs/web/x", "global/a b"]) {
      await running.put(key, acceptTo(running, 1000));
      const { reason } = await watcher.waitForLine("A key fits no scope", {
        skip,
        where: (line) => line["key"] === key,
      });
      expect(reason).toMatch(/expected/);
    }
    const warnings = watcher
      .lines()
      .slice(skip)
      .filter(({ level }) => level === "warn");
    expect(warnings).toHaveLength(3);
    expect(await watcher.metrics()).toMatchObject({
      outbound_rejected_rule_sets: 0,
      'outbound_rule_sets{state="enforced"}': 0,
      'outbound_rule_sets{state="unscoped"}': 3,
    });
    await running.removeAll();
  });

  test("a rule set in audit mode decides nothing", async () => {
    const [allowed] = running.allowed;
    if (!allowed) throw new Error("a destination");
    const blocked = { address: running.outside[4], port: 1005 };
    const flow = await container.openFlow(allowed);
    await running.put("global/a-audited", { mode: "audit", rules: [{ action: "DROP" }, ...acceptTo(running, 1005)] });
    await running.put("global/b-enforced", acceptTo(running, 1006));
    await untilVerdict(container, { address: running.outside[4], port: 1006 }, "open");
    expect(await flow.isAlive()).toBe(true);
    expect(await container.connect({ ...blocked, timeoutMs: 200 })).toBe("timeout");
    await running.put("global/a-audited", { mode: "enforce", rules: acceptTo(running, 1005) });
    await untilVerdict(container, blocked, "open");
    await flow.close();
    await running.removeAll();
  });

  test("a rule set goes out of force by itself when it expires, with Consul stopped too", async () => {
    const destination: Destination = { address: running.outside[4], port: 1007 };
    const [allowed] = running.allowed;
    if (!allowed) throw new Error("a destination");
    const lasting = 3_000;
    const expiresAt = new Date(Date.now() + lasting).toISOString();
    const putAtMs = await running.put("global/expires", { rules: acceptTo(running, 1007), expiresAt });
    await running.put("global/expires-too", { rules: [{ port: 80, proto: "tcp", action: "DROP" }], expiresAt });
    await untilVerdict(container, destination, "open");
    await untilVerdict(container, allowed, "timeout");
    await running.consul.stop();
    const flow = await container.openFlow(destination);
    const cut = await flow.lastReplyBeforeCut();
    const aliveMs = (cut?.sentAtMs ?? 0) - putAtMs;
    tell(`${backend} cut after it expired`, aliveMs - lasting);
    expect(aliveMs).toBeGreaterThan(lasting - 100);
    expect(aliveMs).toBeLessThan(lasting + CONTRACT_MS + 100);
    await untilVerdict(container, allowed, "open", { timeoutMs: 1_000 });
    await flow.close();
  });
});

/** Asserts that nothing sent later than the contract's second after the change came back, on any of the flows. */
async function expectAllCut(flows: readonly Flow[], changedAtMs: number, what: string): Promise<void> {
  const lasts = await Promise.all(flows.map((flow) => flow.lastReplyBeforeCut()));
  const latestMs = Math.max(...lasts.map((last) => last?.sentAtMs ?? 0)) - changedAtMs;
  tell(what, latestMs);
  expect(latestMs).toBeLessThan(CONTRACT_MS);
  for (const flow of flows) expect(await flow.isAlive({ withinMs: 50 })).toBe(false);
}

/** A value that is no text can be written in a transaction only. */
async function putBytes({ consul }: RunningNode, key: string, value: Buffer): Promise<void> {
  const operation = { KV: { Verb: "set", Key: `outbound/rules/${key}`, Value: value.toString("base64") } };
  const { status, body } = await consul.request({ method: "PUT", path: "/v1/txn", body: JSON.stringify([operation]) });
  if (status !== 200) throw new Error(`Cannot put ${key}: Consul answered ${status}, ${body}`);
}
