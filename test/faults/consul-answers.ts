import { type RunningNode, startRunningNode } from "../e2e/running-node.ts";
import { DOUBTED, followsOpposite, UNREAD, wake } from "./consul-direct.ts";
import { type ConsulProxy, startConsulProxy } from "./consul-proxy.ts";
import { monotonicMs } from "../support/wait.ts";
import { GOVERNED_KEY } from "./support/flows.ts";
import { type Group, opposite, type Scenario } from "./support/scenario.ts";
import { startWorld, type World } from "./support/world.ts";

/** What is no sign of a Consul that is gone is tried again at intervals that grow up to 30 s. */
const LONGEST_MS = 35_000;

/** The last key under a prefix is gone when the query, a second look and a look at the ACLs agree: three times 5 s. */
const SLOW_MS = 18_000;

interface ProxiedWorld extends World {
  readonly proxy: ConsulProxy;
}

/** A proxy that does what is asked of it stands between the watcher and Consul. */
export const consulAnswers: Group<ProxiedWorld> = {
  name: "Consul's answers",
  async start(backend, random) {
    const running = await startRunningNode({ backend });
    const proxy = await startConsulProxy(running.consul.unixUrl);
    const watcher = { env: { CONSUL_HTTP_ADDR: proxy.unixUrl } };
    return Object.assign(await startWorld(running, random, { watcher, besides: [proxy] }), { proxy });
  },
  scenarios: [
    {
      name: "Consul answers 5 s late",
      told: "`/ready` stays 200: what is late is not lost; the last key's removal is believed after three answers",
      variants: ["legacy"],
      withinMs: SLOW_MS,
      async run(world) {
        world.proxy.behave({ kind: "slow", delayMs: 5_000 });
        await followsOpposite(world, SLOW_MS);
        await world.isReady(200);
        world.proxy.behave({ kind: "pass" });
        await followsOpposite(world, SLOW_MS);
      },
    },
    refusal({ status: 500, body: "No cluster leader", variants: ["nft", "legacy"] }),
    refusal({ status: 429, body: "Your IP is issuing too many concurrent connections", variants: ["legacy"] }),
    refusal({ status: 503, body: "Service Unavailable", variants: ["nft"] }),
    {
      name: "Consul's answers are cut in the middle",
      told: "log and `/ready` 503 with why",
      variants: ["nft", "legacy"],
      withinMs: LONGEST_MS,
      run: (world) => unread(world, () => world.proxy.behave({ kind: "cut" }), "broke off"),
    },
    {
      name: "ACLs hide the governing key among others, and Consul says so",
      told: "log of the doubt; log and `/ready` 503 with ACLs as why; `outbound_in_sync` 0",
      variants: ["nft", "legacy"],
      startsWith: "open",
      withinMs: LONGEST_MS,
      async run(world) {
        await world.running.put("namespace/default/job/web/stays", "[]");
        world.proxy.behave({ kind: "hide", key: `outbound/rules/${GOVERNED_KEY}` });
        await wake(world);
        await world.says(DOUBTED, { where: ({ doubt }) => doubt === "filtered" });
        await world.isReady(503, { saying: "ACLs hide keys" });
        await world.says(UNREAD);
        await world.measures("outbound_in_sync", (value) => value === 0);
        await world.holds(2_000);
        world.proxy.behave({ kind: "pass" });
        await followsOpposite(world, LONGEST_MS);
      },
    },
    {
      name: "10,000 keys beside the one that governs",
      told: "`outbound_rule_sets` counts them all; `/ready` 200",
      variants: ["nft", "legacy"],
      longTimes: 1,
      async run(world) {
        const { running } = world;
        await putMany(running, 10_000);
        await world.measures('outbound_rule_sets{state="enforced"}', (value) => value >= 10_000, { withinMs: 20_000 });
        await followsOpposite(world);
        await followsOpposite(world);
        await world.isReady(200);
        await running.consul.delete(`outbound/rules/${MANY}`, { recurse: true });
        await followsOpposite(world);
      },
    },
  ],
};

interface Refusal extends Pick<Scenario, "variants"> {
  readonly status: number;
  readonly body: string;
}

function refusal({ status, body, variants }: Refusal): Scenario<ProxiedWorld> {
  return {
    name: `Consul answers ${status}, ${JSON.stringify(body)}`,
    told: "log and `/ready` 503 with the status; `outbound_in_sync` 0, failures counted",
    variants,
    withinMs: LONGEST_MS,
    run: (world) => unread(world, () => world.proxy.behave({ kind: "answer", status, body }), String(status)),
  };
}

/** A change of KV meanwhile is not followed before Consul can be read again. */
async function unread(world: ProxiedWorld, fail: () => void, why: string): Promise<void> {
  fail();
  await world.says(UNREAD);
  await world.isReady(503, { saying: why });
  await world.measures("outbound_in_sync", (value) => value === 0);
  await world.measures("outbound_consul_consecutive_failures", (value) => value > 1);
  const state = opposite(world.flows.expected);
  await world.write(state);
  await world.holds(3_000);
  const sinceMs = monotonicMs();
  world.proxy.behave({ kind: "pass" });
  await world.follows(state, { sinceMs, withinMs: LONGEST_MS });
}

const MANY = "namespace/default/job/many-";

/** In transactions of 64, the most that Consul takes. */
async function putMany({ consul }: RunningNode, count: number): Promise<void> {
  const Value = Buffer.from('[{"host":"203.0.113.7","action":"DROP"}]').toString("base64");
  const keys = Array.from({ length: count }, (_, n) => `outbound/rules/${MANY}${n % 500}/set-${n}`);
  for (let first = 0; first < count; first += 64) {
    const operations = keys.slice(first, first + 64).map((Key) => ({ KV: { Verb: "set", Key, Value } }));
    const { status, body } = await consul.request({ method: "PUT", path: "/v1/txn", body: JSON.stringify(operations) });
    if (status !== 200) throw new Error(`Cannot put keys: Consul answered ${status}, ${body}`);
  }
}
