import { type RunningNode, startRunningNode } from "../e2e/running-node.ts";
import { followsOpposite, UNREAD } from "./consul-direct.ts";
import { type ClusterMember, type ConsulCluster, startConsulCluster } from "./support/consul-cluster.ts";
import { withConsul } from "./support/running-with.ts";
import { type Group, opposite } from "./support/scenario.ts";
import { startWorld, type World } from "./support/world.ts";

interface ClusterWorld extends World {
  readonly cluster: ConsulCluster;
}

/** Three servers; the watcher speaks with one that does not lead at first. */
export const consulLeader: Group<ClusterWorld> = {
  name: "a cluster of three servers",
  async start(backend, random) {
    const cluster = await startConsulCluster();
    const { followers } = await cluster.roles();
    const [near] = followers;
    const running: RunningNode = await startRunningNode({ backend });
    const ofCluster = withConsul(running, { ...running.consul, ...cluster.agent, unixUrl: near?.unixUrl ?? "" });
    const watcher = { env: { CONSUL_HTTP_ADDR: near?.unixUrl ?? "" } };
    return Object.assign(await startWorld(ofCluster, random, { watcher, besides: [cluster] }), { cluster });
  },
  scenarios: [
    {
      name: "the leader is killed, and another one is elected",
      told: "log; `/ready` 200 once there is a leader",
      variants: ["nft", "legacy"],
      withinMs: 12_000,
      async run(world) {
        const leader = await leaderElsewhere(world);
        await leader.kill();
        await world.says(UNREAD, { timeoutMs: 12_000 });
        await followsOpposite(world, 12_000);
        await world.says("Consul is read again");
        await world.isReady(200, { withinMs: 12_000 });
        await leader.start();
        await followsOpposite(world);
      },
    },
    {
      name: "two of three servers are killed: no cluster leader, until one of them comes back",
      told: 'log and `/ready` 503 with "No cluster leader", within 75 s where the agent itself had led; `outbound_in_sync` 0',
      variants: ["nft"],
      longTimes: 1,
      // An agent without a leader holds each request for 7 s by itself.
      withinMs: 25_000,
      async run(world) {
        const near = world.running.consul.unixUrl;
        const others = world.cluster.members.filter(({ unixUrl }) => unixUrl !== near);
        for (const other of others) await other.kill();
        // A query that waits at a server that has just ceased to lead is answered when its wait is over.
        await world.says(UNREAD, { timeoutMs: 75_000 });
        await world.isReady(503, { withinMs: 10_000, saying: "eader" });
        await world.measures("outbound_in_sync", (value) => value === 0);
        await world.holds(1_000);
        for (const other of others) await other.start();
        const state = opposite(world.flows.expected);
        await world.cluster.roles();
        await world.follows(state, { sinceMs: await world.write(state), withinMs: 25_000 });
      },
    },
  ],
};

/** The leader, once it is not the server that the watcher speaks with. */
async function leaderElsewhere(world: ClusterWorld): Promise<ClusterMember> {
  const { cluster, running } = world;
  for (;;) {
    const { leader } = await cluster.roles();
    if (leader.unixUrl !== running.consul.unixUrl) return leader;
    await leader.kill();
    await cluster.roles();
    await leader.start();
    await world.isReady(200, { withinMs: 12_000 });
  }
}
