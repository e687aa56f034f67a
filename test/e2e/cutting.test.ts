import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Container } from "../support/container.ts";
import type { JsonObject } from "../support/json.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { variants } from "../support/variant.ts";
import { monotonicMs } from "../support/wait.ts";
import { startWatcher } from "../support/watcher.ts";
import { closeAndFindHarmed, createParty, cutAfterMs, openFlows, type OpenFlow, type Party } from "./open-flows.ts";
import {
  conflistOf,
  CONTRACT_MS,
  families,
  type RunningNode,
  startRunningNode,
  tell,
  untilVerdict,
} from "./running-node.ts";

const ENTRIES = 50_000;
const PORT = 1000;
const allow = "namespace/default/job/web/allow";
const deny = "namespace/default/job/web/deny";

/**
 * Two containers of job web, one behind masquerade, have what a rule set of theirs governs open, and beside it what
 * static rules let through and what came in from outside; a container of another job has what is denied to them.
 */
describe.each(variants)("with iptables-%s, over TCP, UDP and SCTP, with masquerade and without", (backend) => {
  let running: RunningNode;
  let web: readonly Party[];
  let other: Party;
  let outside: Party;

  const containerOf = async (container: Container, bridge: string): Promise<Party> => {
    const router = await macOf(running.node, bridge);
    await container.listen({ addresses: ["0.0.0.0", "::"], ports: [PORT] });
    const address = { 4: container.v4, 6: container.v6 };
    return createParty(container, { device: "eth0", ports: [PORT], address, router });
  };

  beforeAll(async () => {
    running = await startRunningNode({ backend });
    const { node } = running;
    const sctp = [{ host: running.allowed.map(({ address }) => address), proto: "sctp", action: "ACCEPT" }];
    const plain = { outboundRules: sctp };
    const hidden = { ...plain, name: "hidden", bridge: "cni1", subnet4: "10.89.0.0/16", subnet6: "fd00:89::/64" };
    const watcher = await startWatcher(node);
    const job = { region: "global", namespace: "default", job: "other", group: "app" };
    web = [
      await containerOf(await node.attach({ conflist: conflistOf(node, plain) }), "cni0"),
      await containerOf(await node.attach({ conflist: conflistOf(node, { ...hidden, ipMasq: true }) }), "cni1"),
    ];
    other = await containerOf(await node.attach({ conflist: conflistOf(node, plain), identity: job }), "cni0");
    const router = await macOf(node, "uplink");
    outside = await createParty(node.outside, {
      device: "uplink",
      ports: [80, PORT],
      address: running.outside,
      router,
    });
    await watcher.waitForLine("In sync with Consul");
  });

  afterEach(() => running.removeAll());

  afterAll(async () => {
    await running.close();
  });

  const accepts = (): readonly JsonObject[] =>
    ["tcp", "udp", "sctp"].map((proto) => ({ host: hostsOf(running), proto, port: PORT, action: "ACCEPT" }));

  /** Of the containers of job web, what a change is to cut, and everything else, which no change may touch. */
  const openAll = async () => {
    await running.put(allow, accepts());
    await running.put("namespace/default/job/other/allow", accepts());
    for (const { endpoint } of [...web, other]) {
      for (const family of families)
        await untilVerdict(endpoint, { address: running.outside[family], port: PORT }, "open");
    }
    const allowed = { 4: running.allowed[0]?.address ?? "", 6: running.allowed[1]?.address ?? "" };
    const governed = await Promise.all(
      web.map((party, index) => openFlows(party, { what: `governed ${index}`, address: running.outside, port: PORT })),
    );
    const others = await Promise.all([
      ...web.map((party, index) => openFlows(party, { what: `static ${index}`, address: allowed, port: 80 })),
      ...web.map(({ address }, index) => openFlows(outside, { what: `from outside ${index}`, address, port: PORT })),
      openFlows(other, { what: "another job's", address: running.outside, port: PORT }),
    ]);
    return { governed: governed.flat(), others: others.flat() };
  };

  const expectCut = async (flows: readonly OpenFlow[], sinceMs: number, what: string) => {
    const ms = await cutAfterMs(flows, sinceMs);
    tell(`${backend} cut by ${what}`, ms);
    expect(ms).toBeLessThan(CONTRACT_MS);
  };

  const closeAll = (flows: readonly OpenFlow[]) => Promise.all(flows.map(({ flow }) => flow.close()));

  test.each<{ readonly what: string; readonly change: () => Promise<number> }>([
    { what: "a deny that appears", change: () => running.put(deny, denial(running)) },
    { what: "a rejection that appears", change: () => running.put(deny, denial(running, "REJECT")) },
    { what: "the removal of an accept", change: () => running.remove(allow) },
    {
      what: "the expiry of an accept",
      change: async () => {
        const lastingMs = 1_500;
        const expiresAt = new Date(Date.now() + lastingMs).toISOString();
        return lastingMs + (await running.put(allow, { rules: accepts(), expiresAt }));
      },
    },
  ])("$what cuts what it denies within a second, and nothing else", async ({ what, change }) => {
    const { governed, others } = await openAll();
    const sinceMs = await change();
    await expectCut(governed, sinceMs, what);
    expect(await closeAndFindHarmed(others)).toEqual([]);
    await closeAll(governed);
  });

  test("a set that goes to audit and back cuts and lets go on, and touches nothing else", async () => {
    await running.put(deny, { mode: "audit", rules: denial(running) });
    const { governed, others } = await openAll();
    const enforcedAtMs = await running.put(deny, { mode: "enforce", rules: denial(running) });
    await expectCut(governed, enforcedAtMs, "enforcing a deny");
    const auditedAtMs = await running.put(deny, { mode: "audit", rules: denial(running) });
    const datagrams = governed.filter(({ what }) => !what.includes("tcp"));
    for (const { flow } of datagrams) {
      const { sentAtMs } = await flow.replyAfter(auditedAtMs);
      expect(sentAtMs - auditedAtMs).toBeLessThan(CONTRACT_MS);
    }
    // TCP sends again in its own time: sooner or later it goes on.
    for (const { flow } of governed) await flow.replyAfter(auditedAtMs, { timeoutMs: 10_000 });
    const acceptAuditedAtMs = await running.put(allow, { mode: "audit", rules: accepts() });
    await expectCut(governed, acceptAuditedAtMs, "auditing an accept");
    expect(await closeAndFindHarmed(others)).toEqual([]);
    await closeAll(governed);
  });

  test(`a deny cuts within a second among ${ENTRIES} tracked connections`, async () => {
    const { governed, others } = await openAll();
    onTestFinished(makeRoomForConnections());
    await trackConnections(running.node);
    const sinceMs = await running.put(deny, denial(running));
    await expectCut(governed, sinceMs, `a deny among ${ENTRIES}`);
    expect(await closeAndFindHarmed(others)).toEqual([]);
    await closeAll(governed);
  });
});

function hostsOf({ outside }: RunningNode): readonly string[] {
  return [outside[4], outside[6]];
}

function denial(running: RunningNode, action = "DROP"): readonly JsonObject[] {
  return [{ host: hostsOf(running), action }];
}

async function macOf(node: ClientNode, device: string): Promise<string> {
  return (await node.exec(["cat", `/sys/class/net/${device}/address`])).stdout.trim();
}

/** One number for the whole machine, which a small one sets below what this test needs. Returns what puts it back. */
function makeRoomForConnections(): () => void {
  const setting = "/proc/sys/net/netfilter/nf_conntrack_max";
  const before = readFileSync(setting, "utf8");
  if (Number(before) >= 2 * ENTRIES) return () => {};
  writeFileSync(setting, String(2 * ENTRIES));
  return () => writeFileSync(setting, before);
}

/** Datagrams from the node to as many ports behind an interface where there is nothing; the kernel tracks them all. */
async function trackConnections(node: ClientNode): Promise<void> {
  const startedAtMs = monotonicMs();
  const program = `
    use Socket;
    socket(my $socket, PF_INET, SOCK_DGRAM, 0) or die;
    send($socket, "", 0, pack_sockaddr_in($_, inet_aton("203.0.113.7"))) for 1 .. $ARGV[0];
  `;
  await node.ip(
    "link add nothing type veth peer name nobody",
    "link set nobody up",
    "link set nothing up",
    "route add 203.0.113.7 dev nothing",
    "neigh add 203.0.113.7 lladdr 02:00:00:00:00:07 dev nothing",
  );
  await node.exec(["perl", "-e", program, String(ENTRIES)]);
  const { stdout } = await node.exec(["conntrack", "-C"]);
  console.log(`${stdout.trim()} connections tracked after ${(monotonicMs() - startedAtMs).toFixed(0)} ms`);
  expect(Number(stdout)).toBeGreaterThanOrEqual(ENTRIES);
}
