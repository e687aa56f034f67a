import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { exampleConflist } from "../../support/cni/conflist.ts";
import type { Container } from "../../support/container.ts";
import type { Json } from "../../support/json.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const published = { hostPort: 8_080, containerPort: 80 };

/** The address that a rule sees is the one that a packet has when it is judged: after DNAT, the container's own. */
describe.each(variants)("with iptables-%s, a port that a container publishes on the host", (backend) => {
  let node: ClientNode;
  let server: Container;

  const attach = (outboundRules: Json, portMappings: readonly (typeof published)[] = []) =>
    node.attach({ conflist: exampleConflist(node, { outbound: { outboundRules } }), portMappings });

  const serve = async (outboundRules: Json): Promise<Container> => {
    const container = await attach(outboundRules, [published]);
    await container.listen({ addresses: ["0.0.0.0", "::"], ports: [published.containerPort] });
    await node.ip(`link set ${container.hostInterface} type bridge_slave hairpin on`);
    return container;
  };

  beforeAll(async () => {
    node = await createNode({ backend });
    server = await serve([]);
  });

  afterAll(async () => {
    await node.close();
  });

  const reached = async (from: Pick<Container, "connect">) => {
    const ways = [node.v4, node.v6].flatMap((address) =>
      (["tcp", "udp"] as const).map((protocol) => ({ address, protocol })),
    );
    const port = published.hostPort;
    return Promise.all(ways.map((way) => from.connect({ ...way, port, timeoutMs: 600 })));
  };
  const all = (verdict: string) => [verdict, verdict, verdict, verdict];

  test("is reached by another container whose rules name the publishing container and its port", async () => {
    const container = await attach([
      { host: [...server.addresses], proto: "tcp", port: 80, action: "ACCEPT" },
      { host: [...server.addresses], proto: "udp", port: 80, action: "ACCEPT" },
    ]);
    expect(await reached(container)).toEqual(all("open"));
    await container.detach();
  });

  test("is not reached by one whose rules name the host and the published port", async () => {
    const container = await attach([
      { host: [node.v4, node.v6], action: "ACCEPT" },
      { proto: "tcp", port: published.hostPort, action: "ACCEPT" },
      { proto: "udp", port: published.hostPort, action: "ACCEPT" },
    ]);
    expect(await reached(container)).toEqual(all("timeout"));
    await container.detach();
  });

  test("is reached from the host and from the world, whatever the publishing container's rules say", async () => {
    expect(await reached(node)).toEqual(all("open"));
    expect(await reached(node.outside)).toEqual(all("open"));
  });

  test("is reached by the publishing container itself only where its rules name its own address", async () => {
    expect(await reached(server)).toEqual(all("timeout"));
    await server.detach();
    server = await serve([{ host: ["10.88.0.0/16", "fd00:88::/64"], action: "ACCEPT" }]);
    expect(await reached(server)).toEqual(all("open"));
  });
});
