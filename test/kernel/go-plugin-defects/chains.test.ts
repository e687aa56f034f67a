import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { type Conflist, exampleConflist } from "../../support/cni/conflist.ts";
import { chainOf, type OutboundRun, resultOf, runOutbound, runOutboundFor } from "../../support/cni/outbound.ts";
import { containing } from "../../support/containing.ts";
import { startFlood } from "../../support/flood.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { chainRules, inBothFamilies, savedRules } from "../../support/saved-rules.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("the Go plugin's defects with chains, on iptables-%s", (backend) => {
  let node: ClientNode;
  let conflist: Conflist;

  beforeAll(async () => {
    node = await createNode({ backend });
    const { v4, v6 } = node.outside;
    conflist = exampleConflist(node, { outbound: { outboundRules: [{ host: [v4[0], v6[0]], action: "ACCEPT" }] } });
    await node.outside.listen({ addresses: [...v4, ...v6], ports: [443] });
    // The main chain and its jumps stay from here on.
    for (const command of ["ADD", "DEL"] as const) await ghost(command, "first", { prevResult: addressesOf(1) });
  });

  afterAll(async () => {
    await node.close();
  });

  const ghost = (command: OutboundRun["command"], containerId: string, run: Partial<OutboundRun> = {}) =>
    runOutbound(node, { conflist, command, containerId, ...run });
  const records = () => readdir(join(node.stateDir, "attachments"));
  const addressesOf = (number: number) => resultOf(`10.88.220.${number}`, `fd00:88::22:${number}`);

  test("1: while others come and go, the main jump is never away and no forbidden packet passes", async () => {
    const container = await node.attach({ conflist });
    const [open4, shut4] = node.outside.v4;
    const [, shut6] = node.outside.v6;
    const flood = (address: string) =>
      startFlood({ from: container, to: node.outside, address, port: 9000, packetsPerSecond: 4_000 });
    const floods = await Promise.all([shut4, shut6].map(flood));
    const outcomes = [];
    for (let number = 1; number <= 30; number++) {
      outcomes.push(await ghost("ADD", `other-${number}`, { prevResult: addressesOf(number) }));
      if (number > 5) outcomes.push(await ghost("DEL", `other-${number - 5}`));
    }
    expect(outcomes.map(({ exitCode }) => exitCode)).toEqual(outcomes.map(() => 0));
    for (const { sent, received } of await Promise.all(floods.map((each) => each.stop()))) {
      expect(sent).toBeGreaterThan(2_000);
      expect(received).toBe(0);
    }
    const allowed = await flood(open4);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await allowed.stop()).received).toBeGreaterThan(0);
    for (let number = 26; number <= 30; number++) await ghost("DEL", `other-${number}`);
    await container.detach();
  });

  test("5: an ADD that fails leaves no chain in either family, and the same container's next ADD succeeds", async () => {
    const bin = join(node.directory, "failing");
    await mkdir(bin);
    const before = [await savedRules(node), await records()];
    // Refuses what makes a chain for a container, in one family only, and does everything else.
    const refuse = "grep -q '^-A CNI-OUT-' \"$text\" && { echo 'the kernel is out of memory' >&2; exit 4; }";
    const real = `exec /usr/sbin/xtables-${backend}-multi ip6tables-restore "$@" < "$text"`;
    await writeFile(join(bin, "ip6tables-restore"), `#!/bin/sh\ntext=$(mktemp)\ncat > "$text"\n${refuse}\n${real}\n`);
    await chmod(join(bin, "ip6tables-restore"), 0o755);
    const env = { PATH: `${bin}:${node.env["PATH"]}`, TMPDIR: node.directory };
    for (let attempt = 1; attempt <= 3; attempt++) {
      const failed = await ghost("ADD", "unlucky", { prevResult: addressesOf(50), env });
      const msg = containing("the kernel is out of memory");
      expect(failed).toMatchObject({ exitCode: 1, json: { code: 11, msg } });
      expect([await savedRules(node), await records()]).toEqual(before);
    }
    expect(await ghost("ADD", "unlucky", { prevResult: addressesOf(50) })).toMatchObject({ exitCode: 0 });
    expect(await ghost("CHECK", "unlucky", { prevResult: addressesOf(50) })).toMatchObject({ exitCode: 0 });
    expect(await ghost("DEL", "unlucky")).toMatchObject({ exitCode: 0 });
    expect([await savedRules(node), await records()]).toEqual(before);
  });

  test("10: 20 ADDs at once, on an empty ruleset, all succeed and leave one main jump in each place", async () => {
    const fresh = await createNode({ backend });
    onTestFinished(() => fresh.close());
    const own = exampleConflist(fresh);
    const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
    const all = (command: "ADD" | "DEL") =>
      Promise.all(
        numbers.map((number) =>
          runOutbound(fresh, { conflist: own, command, containerId: `c-${number}`, prevResult: addressesOf(number) }),
        ),
      );
    const outcomes = await all("ADD");
    expect(outcomes.map(({ exitCode, stderr }) => ({ exitCode, stderr }))).toEqual(
      numbers.map(() => ({ exitCode: 0, stderr: "" })),
    );
    for (const family of [4, 6] as const) {
      for (const chain of ["FORWARD", "INPUT"]) expect(await chainRules(fresh, chain, family)).toHaveLength(1);
      expect(await chainRules(fresh, "CNI-OUTBOUND", family)).toHaveLength(20);
    }
    expect((await all("DEL")).map(({ exitCode }) => exitCode)).toEqual(numbers.map(() => 0));
    expect(await savedRules(fresh)).not.toMatch(/CNI-OUT-/);
  });

  test("11: DEL with a prevResult without addresses, and of a chain that is jumped to twice, removes everything", async () => {
    const before = await savedRules(node);
    await ghost("ADD", "twice", { prevResult: addressesOf(60) });
    const chain = chainOf(conflist, "twice");
    await inBothFamilies(node, `-A CNI-OUTBOUND -i nowhere -j ${chain}`, `-I CNI-OUTBOUND 1 -i elsewhere -g ${chain}`);
    const stale = { cniVersion: "1.0.0", interfaces: [], dns: {} };
    expect(await ghost("DEL", "twice", { prevResult: stale })).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await savedRules(node)).toBe(before);
  });

  describe("12: after a missed DEL, a container with the same address runs under its own rules", () => {
    test.each([
      { old: "strict", fresh: "loose", reached: true },
      { old: "loose", fresh: "strict", reached: false },
    ])("the old ones $old, its own $fresh", async ({ old, fresh, reached }) => {
      const rules = { strict: [], loose: [{ action: "ACCEPT" }] };
      const of = (kind: string) =>
        exampleConflist(node, { outbound: { outboundRules: kind === "loose" ? rules.loose : rules.strict } });
      const container = await node.attach({ conflist: exampleConflist(node, { outbound: false }) });
      const run = (command: OutboundRun["command"], kind: string, containerId: string) =>
        runOutbound(node, {
          conflist: of(kind),
          command,
          containerId,
          netns: container.path,
          prevResult: container.result,
        });
      expect(await run("ADD", old, "gone")).toMatchObject({ exitCode: 0 });
      expect(await run("ADD", fresh, container.containerId)).toMatchObject({ exitCode: 0 });
      const reach = () =>
        Promise.all(
          [node.outside.v4[2], node.outside.v6[2]].map((address) => container.canReach({ address, port: 443 })),
        );
      expect(await reach()).toEqual([reached, reached]);
      // The late DEL of the old one changes nothing for the new one.
      expect(await run("DEL", old, "gone")).toMatchObject({ exitCode: 0 });
      expect(await reach()).toEqual([reached, reached]);
      await run("DEL", fresh, container.containerId);
      await container.detach();
    });
  });

  test('14: ("a","bc") and ("ab","c") have chains of their own, and each DEL takes its own', async () => {
    const before = await savedRules(node);
    const named = (name: string) => ({ ...conflist, name });
    const first = { conflist: named("a"), containerId: "bc", prevResult: addressesOf(70) };
    const second = { conflist: named("ab"), containerId: "c", prevResult: addressesOf(71) };
    await runOutbound(node, { ...first, command: "ADD" });
    const alone = await savedRules(node);
    await runOutbound(node, { ...second, command: "ADD" });
    const main = (await chainRules(node, "CNI-OUTBOUND")).filter((rule) => /10\.88\.220\.7[01]/.test(rule));
    expect(new Set(main.map((rule) => rule.split(" ").at(-1))).size).toBe(2);
    for (const each of [first, second])
      expect(await runOutbound(node, { ...each, command: "CHECK" })).toMatchObject({ exitCode: 0 });
    await runOutbound(node, { ...second, command: "DEL" });
    expect(await chainRules(node, "CNI-OUTBOUND")).toHaveLength(1);
    expect(await runOutbound(node, { ...first, command: "CHECK" })).toMatchObject({ exitCode: 0 });
    expect(alone).toContain(chainOf(named("a"), "bc"));
    await runOutbound(node, { ...first, command: "DEL" });
    expect((await savedRules(node)).split("\n").filter((line) => !/CNI-OUT[AD]S-/.test(line))).toEqual(
      before.split("\n").filter((line) => !/CNI-OUT[AD]S-/.test(line)),
    );
  });

  test("16: its accepts do not come before the firewall plugin's admin chain", async () => {
    const container = await node.attach({ conflist });
    const reach = () =>
      Promise.all(
        [node.outside.v4[0], node.outside.v6[0]].map((address) => container.canReach({ address, port: 443 })),
      );
    expect(await reach()).toEqual([true, true]);
    await inBothFamilies(node, "-A CNI-ADMIN -p tcp --dport 443 -j DROP");
    onTestFinished(() => inBothFamilies(node, "-F CNI-ADMIN"));
    expect(await reach()).toEqual([false, false]);
    const again = await runOutboundFor(node, container, { conflist, command: "ADD" });
    expect(again).toMatchObject({ exitCode: 0 });
    expect(await reach()).toEqual([false, false]);
    await container.detach();
  });
});
