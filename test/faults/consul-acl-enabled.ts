import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startRunningNode } from "../e2e/running-node.ts";
import { ensureConsul } from "../setup/consul.ts";
import type { ConsulAgent } from "../support/consul-agent.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { DOUBTED, UNREAD } from "./consul-direct.ts";
import { withToken } from "./support/running-with.ts";
import { type Group, opposite } from "./support/scenario.ts";
import { startWorld, type World } from "./support/world.ts";

const policyFile = join(import.meta.dirname, "..", "..", "nomad", "outbound-watch.policy.hcl");
/** Of the token that is meant where none is sent. */
const ANONYMOUS = "00000000-0000-0000-0000-000000000002";
const LONGEST_MS = 35_000;

interface UnprotectedWorld extends World {
  /** Consul starts again, from now on with ACLs that deny. */
  enableAcls(): Promise<void>;
  /** What the watcher needs is allowed to those without a token. */
  allowAnonymous(): Promise<void>;
}

/** Consul has no ACLs at first, the watcher no token. */
export const consulAclEnabled: Group<UnprotectedWorld> = {
  name: "Consul without ACLs",
  async start(backend, random) {
    const directory = await mkdtemp(join(tmpdir(), "cni-outbound-acl-"));
    const binary = join(directory, "consul");
    const script = `#!/bin/sh\nexec ${await ensureConsul()} "$@" -config-dir=${directory}\n`;
    await writeFile(binary, script, { mode: 0o755 });
    await writeFile(join(directory, "acl.json"), "{}");
    let token: string | undefined;
    const bare = await startRunningNode({ backend, consul: { persistent: true, binary } });
    const { consul } = bare;
    const besides = [{ close: () => rm(directory, { recursive: true }) }];
    const world = await startWorld(
      withToken(bare, () => token),
      random,
      { besides },
    );
    return Object.assign(world, {
      async enableAcls() {
        const acl = { enabled: true, default_policy: "deny" };
        await writeFile(join(directory, "acl.json"), JSON.stringify({ acl }));
        await consul.start();
        token = await bootstrap(consul);
      },
      allowAnonymous: () => allow(consul, token ?? ""),
    });
  },
  scenarios: [
    {
      name: "ACLs that deny are enabled, and what the watcher needs is allowed later",
      told: "log of the doubt; log and `/ready` 503; `outbound_in_sync` 0",
      variants: ["nft"],
      startsWith: "open",
      longTimes: 1,
      withinMs: LONGEST_MS,
      async run(world) {
        await world.enableAcls();
        await world.says(DOUBTED, { where: ({ doubt }) => doubt === "empty" });
        await world.says(UNREAD, { where: ({ kind }) => kind === "forbidden" });
        await world.isReady(503, { saying: "403" });
        await world.measures("outbound_in_sync", (value) => value === 0);
        const state = opposite(world.flows.expected);
        await world.write(state);
        await world.holds(2_000);
        const sinceMs = monotonicMs();
        await world.allowAnonymous();
        await world.follows(state, { sinceMs, withinMs: LONGEST_MS });
      },
    },
  ],
};

async function bootstrap(consul: ConsulAgent): Promise<string> {
  const attempt = async () => {
    const { status, body } = await consul.request({ method: "PUT", path: "/v1/acl/bootstrap" });
    return status === 200 && z.object({ SecretID: z.string() }).parse(JSON.parse(body)).SecretID;
  };
  return waitUntil(attempt, { what: "Consul's ACLs to be bootstrapped", timeoutMs: 30_000 });
}

async function allow(consul: ConsulAgent, token: string): Promise<void> {
  const policy = { Name: "outbound-watch", Rules: await readFile(policyFile, "utf8") };
  const anonymous = { AccessorID: ANONYMOUS, Policies: [{ Name: policy.Name }] };
  for (const [path, body] of [
    ["/v1/acl/policy", policy],
    [`/v1/acl/token/${ANONYMOUS}`, anonymous],
  ] as const) {
    const asked = { method: "PUT", path, body: JSON.stringify(body), token } as const;
    const { status, body: answer } = await consul.request(asked);
    if (status !== 200) throw new Error(`Cannot allow: Consul answered ${status}, ${answer}`);
  }
}
