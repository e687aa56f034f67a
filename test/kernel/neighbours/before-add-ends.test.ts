import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { exampleConflist } from "../../support/cni/conflist.ts";
import { startFlood } from "../../support/flood.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { variants } from "../../support/variant.ts";
import { monotonicMs } from "../../support/wait.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

/**
 * The plugins that come before ours give the container its interface and its accepts; until ours has run, nothing of
 * ours stands. Nomad starts a task only after ADD has succeeded, so there is nobody to use it: this says how long it is,
 * and that what began in it does not go on.
 */
describe.each(variants)("with iptables-%s, what a namespace sends while it is attached", (backend) => {
  let node: ClientNode;

  beforeAll(async () => {
    node = await createNode({ backend });
  });

  afterAll(async () => {
    await node.close();
  });

  test("ends before ADD does, for the world and for the host", async () => {
    // The bridge and its address are there, as for every container but a node's first.
    await (await node.attach({ conflist: exampleConflist(node) })).detach();
    const container = await node.createContainer({ conflist: exampleConflist(node) });
    const floods = await Promise.all(
      [
        { to: node.outside, address: node.outside.v4[0] },
        { to: node, address: node.v6 },
      ].map((way) => startFlood({ from: container, port: 9_100, packetsPerSecond: 1_000, ...way })),
    );
    const startedAtMs = monotonicMs();
    await container.add();
    const endedAtMs = monotonicMs();
    await sleep(200);
    for (const flood of floods) {
      const { sent, received, firstSentAtMs, lastSentAtMs } = await flood.stop();
      const [first, last] = [firstSentAtMs, lastSentAtMs].map((ms) => ((ms ?? startedAtMs) - startedAtMs).toFixed(0));
      const tookMs = (endedAtMs - startedAtMs).toFixed(0);
      console.log(`${backend}: ${received} of ${sent} passed, from ${first} to ${last} of the ${tookMs} ms of ADD`);
      expect(received).toBeGreaterThan(0);
      expect(lastSentAtMs ?? 0).toBeLessThan(endedAtMs);
    }
    await container.detach();
  });
});
