import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { outboundPath } from "../support/cni/outbound.ts";
import type { Container } from "../support/container.ts";
import { type Flood, startFlood } from "../support/flood.ts";
import { logFromAllNamespaces } from "../support/namespace-logs.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { inBothFamilies, savedRules } from "../support/saved-rules.ts";
import { variants } from "../support/variant.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import { families, type RunningNode, startRunningNode, untilVerdict } from "./running-node.ts";

/** The kernel's log is one for all namespaces: keys that no other run has. */
const run = randomBytes(4).toString("hex");
const denyKey = `namespace/default/job/web/deny-${run}`;
const openKey = `global/open-${run}`;

/** The static rules let this through, and a deny in KV stops it. */
const DENIED_PORT = 2_001;
/** Only an accept in KV lets this through. */
const ACCEPTED_PORT = 2_000;
/** Of four floods together, one for each family and port. */
const PACKETS_PER_SECOND = 10_000;
const SWITCHES = 100;

const deny = (mode: string) => ({ mode, rules: [{ proto: "udp", port: DENIED_PORT, action: "DROP" }] });
const open = (mode: string) => ({ mode, rules: [{ proto: "udp", port: ACCEPTED_PORT, action: "ACCEPT" }] });

describe.each(variants)("with iptables-%s, a rule set", (backend) => {
  let running: RunningNode;
  let watcher: Watcher;
  let container: Container;
  let restoreSetting: () => void;

  beforeEach(async () => {
    restoreSetting = logFromAllNamespaces();
    running = await startRunningNode({
      backend,
      outboundRules: [{ proto: "udp", port: DENIED_PORT, action: "ACCEPT" }],
    });
    watcher = await startWatcher(running.node);
    container = await running.node.attach({ conflist: running.conflist });
    await watcher.waitForLine("In sync with Consul");
  });

  afterEach(async () => {
    restoreSetting();
    await running.close();
  });

  test("that is audited tells what it would deny, and denies it once it is enforced", async () => {
    const { allowed } = running;
    const rules = [{ host: allowed.map(({ address }) => address), proto: "tcp", port: 80, action: "DROP" }];
    await running.put(denyKey, { mode: "audit", rules });
    await untilRulesHave("-g CNI-OUTDL-");
    for (const destination of allowed) {
      expect(await container.connect({ ...destination, timeoutMs: 2_000 })).toBe("open");
      const line = await watcher.waitForLine("An audited rule set would have denied a connection", {
        where: (each) => each["destination"] === destination.address,
      });
      const whose = { allocation: container.containerId, namespace: "default", job: "web", group: "app" };
      expect(line).toMatchObject({ ...whose, network: "egress", protocol: "tcp", port: 80, key: denyKey });
    }
    const shown = await waitUntil(
      async () => {
        const { stdout } = await show();
        return (
          allowed.every(({ address }) => stdout.includes(`would have denied tcp ${inText(address)}:80  `)) && stdout
        );
      },
      { what: "show to say it", timeoutMs: 7_000 },
    );
    expect(shown).toContain(`Audited: decides nothing, counts what it would have decided\n  KV ${denyKey}\n`);

    const open = await Promise.all(allowed.map((destination) => container.openFlow(destination)));
    const sinceMs = await running.put(denyKey, { mode: "enforce", rules });
    for (const [index, destination] of allowed.entries()) {
      await untilVerdict(container, destination, "timeout", { sinceMs });
      await open[index]?.lastReplyBeforeCut();
    }
    await waitUntil(async () => !(await show()).stdout.includes("would have denied"), {
      what: "show to forget it",
      timeoutMs: 7_000,
    });
  }, 60_000);

  test("that goes from enforced to audited and back again and again leaves what others decide without a gap", async () => {
    // Beside each, in its scope, one that is enforced all the time decides the same.
    await running.put(`${denyKey}-too`, deny("enforce"));
    await running.put(`${openKey}-too`, open("enforce"));
    await untilRulesHave("-j CNI-OUTDR-");
    await untilRulesHave("-j CNI-OUTAR-");
    await countAccepted(running.node);
    const floods = await startFloods();
    for (let number = 0; number < SWITCHES; number++) {
      await running.put(denyKey, deny(number % 2 === 0 ? "audit" : "enforce"));
      await running.put(openKey, open(number % 4 < 2 ? "audit" : "enforce"));
      // The watcher asks Consul at most 20 times a second: sooner, several changes would become one.
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    const { outbound_pass_seconds_count: passes = 0, ...metrics } = await watcher.metrics();
    tell(`${backend} passes that changed the kernel: ${passes}`);
    expect(passes).toBeGreaterThan(SWITCHES / 2);
    expect(metrics).toMatchObject({ outbound_in_sync: 1, outbound_pass_failures_total: 0 });
    for (const { flood, isDenied, what } of floods) {
      const { sent, received, packetsPerSecond } = await flood.stop();
      tell(`${backend} ${what}: ${sent} sent at ${packetsPerSecond.toFixed(0)}/s, ${received} arrived`);
      expect(sent).toBeGreaterThan(5_000);
      // Whether all that is accepted has passed is counted in the kernel: a socket may have no room for a packet.
      expect({ what, received: isDenied ? received : 0 }).toEqual({ what, received: 0 });
    }
    for (const family of families) {
      const { came, left } = await countedAccepted(running.node, family);
      expect(came).toBeGreaterThan(5_000);
      expect({ family, left }).toEqual({ family, left: came });
    }
  }, 120_000);

  test("that is enforced decides alone, whatever goes on beside it, and decides nothing while it is audited", async () => {
    const floods = await startFloods();
    for (let round = 0; round < 4; round++) {
      await running.put(denyKey, deny("enforce"));
      await running.put(openKey, open("enforce"));
      await untilFlowing(floods, ({ isDenied }) => !isDenied);
      const sentAfterMs = monotonicMs();
      for (let number = 0; number < 6; number++) {
        const mode = number % 2 === 0 ? "audit" : "enforce";
        await running.put(`${denyKey}-other`, { mode, rules: [{ host: "203.0.113.1", action: "DROP" }] });
        await running.put(`${openKey}-other`, { mode, rules: [{ host: "203.0.113.1", action: "ACCEPT" }] });
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      for (const { flood, isDenied, what } of floods) {
        const { receivedSentAfter } = await flood.passed({ sentAfterMs });
        const isRight = isDenied ? receivedSentAfter === 0 : receivedSentAfter > 100;
        expect({ what, receivedSentAfter, isRight }).toEqual({ what, receivedSentAfter, isRight: true });
      }
      await running.put(denyKey, deny("audit"));
      await running.put(openKey, open("audit"));
      await untilFlowing(floods, ({ isDenied }) => isDenied);
    }
    for (const { flood } of floods) await flood.stop();
  }, 120_000);

  async function startFloods(): Promise<readonly NamedFlood[]> {
    const { node, outside } = running;
    return Promise.all(
      families.flatMap((family) =>
        [DENIED_PORT, ACCEPTED_PORT].map(async (port) => {
          const to = { to: node.outside, address: outside[family], port };
          const flood = await startFlood({ from: container, ...to, packetsPerSecond: PACKETS_PER_SECOND / 4 });
          return { flood, isDenied: port === DENIED_PORT, what: `${outside[family]}:${port}` };
        }),
      ),
    );
  }

  function show() {
    const { node } = running;
    return node.exec([
      outboundPath,
      "show",
      container.containerId,
      "--state-dir",
      node.stateDir,
      "--cache-dir",
      node.cacheDir,
    ]);
  }

  async function untilRulesHave(text: string): Promise<void> {
    await waitUntil(async () => (await savedRules(running.node)).split(text).length > 2, {
      what: `${text} in both families`,
    });
  }
});

interface NamedFlood {
  readonly flood: Flood;
  readonly isDenied: boolean;
  readonly what: string;
}

/** Until those floods arrive that should, and the others do not. */
async function untilFlowing(floods: readonly NamedFlood[], shouldFlow: (flood: NamedFlood) => boolean): Promise<void> {
  await waitUntil(
    async () => {
      const sentAfterMs = monotonicMs();
      await new Promise((resolve) => setTimeout(resolve, 150));
      const states = await Promise.all(floods.map(({ flood }) => flood.passed({ sentAfterMs })));
      return floods.every((flood, index) => shouldFlow(flood) === Number(states[index]?.receivedSentAfter) > 0);
    },
    { what: "the floods to flow as the rule sets say", timeoutMs: 10_000 },
  );
}

/** Counts what comes to the node's firewall of the flood that is accepted, and what has passed it. */
async function countAccepted(node: ClientNode): Promise<void> {
  const packets = `-p udp --dport ${ACCEPTED_PORT}`;
  await inBothFamilies(
    node,
    `-t mangle -A PREROUTING ! -i uplink ${packets}`,
    `-t mangle -A POSTROUTING -o uplink ${packets}`,
  );
}

async function countedAccepted(node: ClientNode, family: 4 | 6) {
  const program = family === 4 ? "iptables-save" : "ip6tables-save";
  const { stdout } = await node.exec([program, "-c", "-t", "mangle"]);
  const count = (chain: string) => Number(new RegExp(`^\\[(\\d+):\\d+\\] -A ${chain} `, "m").exec(stdout)?.[1]);
  return { came: count("PREROUTING"), left: count("POSTROUTING") };
}

function tell(what: string): void {
  console.log(what);
}

function inText(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
