import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startRunningNode } from "../e2e/running-node.ts";
import type { ConsulAgent } from "../support/consul-agent.ts";
import { monotonicMs } from "../support/wait.ts";
import type { Variant } from "../support/variant.ts";
import { followsOpposite, inSyncByStatus, UNREAD, wake } from "./consul-direct.ts";
import { type Group, opposite } from "./support/scenario.ts";
import { startWorld, type World } from "./support/world.ts";

const policyFile = join(import.meta.dirname, "..", "..", "nomad", "outbound-watch.policy.hcl");
const PREFIX = "outbound/rules/namespace/default/";
/** Everything but the rule sets of namespaces. */
const tooLittle = `key_prefix "outbound/rules/global/" { policy = "read" } key_prefix "outbound/rules/node/" { policy = "read" }
key_prefix "outbound/rules/network/" { policy = "read" }
key_prefix "outbound/status/" { policy = "write" } session_prefix "" { policy = "write" }`;

/** What fails for lack of permission is tried again at intervals that grow up to 30 s. */
const FORBIDDEN_MS = 35_000;

interface AclWorld extends World {
  /** Puts a token that may do this into the watcher's file, the shipped policy unless said otherwise. */
  giveToken(rules?: string): Promise<void>;
  /** What the file holds. */
  token(): string;
  revokeToken(token: string): Promise<void>;
}

/** Consul denies what no policy allows; the watcher has a token in a file. */
export const consulAcl: Group<AclWorld> = {
  name: "Consul's ACLs",
  start: startAclWorld,
  limits: [
    "Consul before 1.11 does not say when ACLs hide some, not all, of the keys under a prefix: the rule sets of the hidden " +
      "keys are then taken away. With the header that later versions send they stay, as the scenario of Consul's answers shows.",
  ],
  scenarios: [
    {
      name: "the token is revoked, and another one comes later",
      told: "log and `/ready` 503; `outbound_in_sync` 0",
      variants: ["nft", "legacy"],
      withinMs: FORBIDDEN_MS,
      async run(world) {
        await world.revokeToken(world.token());
        await untilForbidden(world);
        const state = opposite(world.flows.expected);
        await world.write(state);
        await world.holds(2_500);
        await world.giveToken();
        await world.follows(state, { sinceMs: monotonicMs(), withinMs: FORBIDDEN_MS });
      },
    },
    {
      name: "the token is rotated in its file, and the old one revoked at once",
      told: "`/ready` 200",
      variants: ["legacy"],
      async run(world) {
        const old = world.token();
        await world.giveToken();
        await world.revokeToken(old);
        await followsOpposite(world);
        await followsOpposite(world);
        await world.isReady(200);
      },
    },
    {
      name: "ACLs hide every key of a prefix, without a word",
      told: "log of the doubt; log and `/ready` 503 with the prefix; `outbound status` says that n1 is not in sync, and why",
      variants: ["nft"],
      startsWith: "open",
      withinMs: FORBIDDEN_MS,
      async run(world) {
        await world.giveToken(tooLittle);
        await untilForbidden(world);
        await world.status(
          ({ nodes }) => nodes.some(({ isInSync, problems }) => !isInSync && problems.join().includes(PREFIX)),
          { what: "n1's problem" },
        );
        await world.write("closed");
        await world.holds(2_000);
        await world.giveToken();
        await world.follows("closed", { sinceMs: monotonicMs(), withinMs: FORBIDDEN_MS });
        await inSyncByStatus(world);
      },
    },
  ],
};

/** The queries that wait still have what they were asked with: each is woken, and the next one is refused. */
async function untilForbidden(world: World): Promise<void> {
  const isIt = ({ prefix, kind }: { readonly [field: string]: unknown }) =>
    typeof prefix === "string" && PREFIX.endsWith(prefix) && kind === "forbidden";
  await wake(world);
  await world.holds(200);
  await wake(world);
  await world.says(UNREAD, { where: isIt });
  await world.isReady(503, { saying: PREFIX });
  await world.measures("outbound_in_sync", (value) => value === 0);
}

async function startAclWorld(backend: Variant, random: World["random"]) {
  const directory = await mkdtemp(join(tmpdir(), "cni-outbound-token-"));
  const file = join(directory, "token");
  const shipped = await readFile(policyFile, "utf8");
  const running = await startRunningNode({ backend, consul: { acl: true } });
  let token = await running.consul.createToken(shipped);
  await writeFile(file, token);
  const besides = [{ close: () => rm(directory, { recursive: true }) }];
  const world = await startWorld(running, random, { watcher: { env: { CONSUL_HTTP_TOKEN_FILE: file } }, besides });
  return Object.assign(world, {
    async giveToken(rules = shipped) {
      token = await running.consul.createToken(rules);
      await writeFile(file, token);
    },
    token: () => token,
    revokeToken: (revoked: string) => revoke(running.consul, revoked),
  });
}

async function revoke(consul: ConsulAgent, token: string): Promise<void> {
  const { body } = await consul.request({ path: "/v1/acl/token/self", token });
  const { AccessorID } = z.object({ AccessorID: z.string() }).parse(JSON.parse(body));
  const { status } = await consul.request({ method: "DELETE", path: `/v1/acl/token/${AccessorID}` });
  if (status !== 200) throw new Error(`Cannot revoke token: Consul answered ${status}`);
}
