import { type RunningNode, writesTo } from "../../e2e/running-node.ts";
import type { ConsulAgent } from "../../support/consul-agent.ts";

/** The same node, whose rule sets are written with a token that is known only later. */
export function withToken(running: RunningNode, token: () => string | undefined): RunningNode {
  const { consul } = running;
  const request: ConsulAgent["request"] = (asked) => {
    const known = token();
    return consul.request({ ...(known !== undefined && { token: known }), ...asked });
  };
  return withConsul(running, {
    ...consul,
    request,
    get token() {
      return token();
    },
    async put(key, value) {
      const body = typeof value === "string" ? value : JSON.stringify(value);
      await expectOk(request({ method: "PUT", path: `/v1/kv/${encodeURI(key)}`, body }), key);
    },
    async delete(key) {
      await expectOk(request({ method: "DELETE", path: `/v1/kv/${encodeURI(key)}` }), key);
    },
  });
}

/** The same node with another Consul beside it. */
export function withConsul(running: RunningNode, consul: ConsulAgent): RunningNode {
  return {
    ...running,
    consul,
    ...writesTo(consul),
  };
}

async function expectOk(answered: ReturnType<ConsulAgent["request"]>, what: string): Promise<void> {
  const { status, body } = await answered;
  if (status !== 200) throw new Error(`Cannot write ${what}: Consul answered ${status}, ${body}`);
}
