import { createServer } from "node:net";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const image = process.env["CONSUL_IMAGE"] ?? "";

// Only where the machine forbids containers; `npm test` then says that this did not run, and why.
describe.skipIf(image === "")("Consul in a container", () => {
  let container: StartedTestContainer | undefined;
  let address = "";

  beforeAll(async () => {
    const [http, server, serf] = await freePorts(3);
    address = `http://127.0.0.1:${http}`;
    const ports = [`-http-port=${http}`, `-server-port=${server}`, `-serf-lan-port=${serf}`];
    const noPorts = ["-serf-wan-port=-1", "-dns-port=-1", "-grpc-port=-1"];
    container = await new GenericContainer(image)
      .withNetworkMode("host") // Works without a bridge too.
      .withCommand(["agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1", ...ports, ...noPorts])
      .withWaitStrategy(Wait.forLogMessage(/cluster leadership acquired/))
      .withStartupTimeout(60_000)
      .start();
  });

  afterAll(async () => {
    await container?.stop();
  });

  it("gives back under a key what was put there", async () => {
    const url = `${address}/v1/kv/outbound/rules/global/allow-dns`;
    const value = JSON.stringify({ proto: "udp", port: 53, action: "ACCEPT" });

    const put = await fetch(url, { method: "PUT", body: value });
    const raw = await fetch(`${url}?raw`);

    expect(await put.json()).toBe(true);
    expect(await raw.text()).toBe(value);
  });

  it("knows no key that was never put", async () => {
    const { status } = await fetch(`${address}/v1/kv/outbound/rules/global/never-put`);

    expect(status).toBe(404);
  });
});

/** Free at this moment: they are all held at once, so they differ. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("Cannot find a free port: no address");
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listen(): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
