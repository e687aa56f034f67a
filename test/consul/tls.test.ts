import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConsulError } from "../../lib/host/consul-error.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsul } from "../../lib/host/consul.ts";
import { ensureConsul } from "../setup/consul.ts";
import { runCommand } from "../support/command.ts";
import { startConsul } from "../support/consul-agent.ts";
import { findFreePorts } from "../support/consul/ports.ts";
import type { ConsulAgent } from "../support/consul-agent.ts";

let agent: ConsulAgent;
let httpsPort: number;
let directory: string;

/** The names that `consul tls` gives the files it writes. */
const files = {
  ca: "consul-agent-ca.pem",
  serverCert: "dc1-server-consul-0.pem",
  serverKey: "dc1-server-consul-0-key.pem",
  clientCert: "dc1-cli-consul-0.pem",
  clientKey: "dc1-cli-consul-0-key.pem",
} as const;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "outbound-tls-"));
  const consul = await ensureConsul();
  for (const kind of [
    ["ca", "create"],
    ["cert", "create", "-server"],
    ["cert", "create", "-cli"],
  ]) {
    await runCommand([consul, "tls", ...kind], { cwd: directory });
  }
  const [http = 0, https = 0, server = 0, serf_lan = 0] = await findFreePorts(4);
  agent = await startConsul({
    binary: consul,
    httpPort: http,
    config: {
      ports: { http, https, server, serf_lan, serf_wan: -1, dns: -1, grpc: -1 },
      ca_file: path("ca"),
      cert_file: path("serverCert"),
      key_file: path("serverKey"),
      verify_incoming: true,
    },
  });
  httpsPort = https;
  await agent.put("outbound/rules/global/a", "1");
});

afterAll(async () => {
  await agent.close();
  await rm(directory, { recursive: true, force: true });
});

function path(file: keyof typeof files): string {
  return join(directory, files[file]);
}

async function read(env: Readonly<Record<string, string>>): Promise<number> {
  const consul = createConsul(parseConsulSettings({ CONSUL_HTTP_ADDR: `https://127.0.0.1:${httpsPort}`, ...env }));
  try {
    const { signal } = new AbortController();
    const options = { prefix: "outbound/rules/", index: 0n, waitSeconds: 1, consistent: false, signal };
    return (await consul.readPrefix(options)).entries.length;
  } finally {
    consul.close();
  }
}

function client(): Readonly<Record<string, string>> {
  return { CONSUL_CACERT: path("ca"), CONSUL_CLIENT_CERT: path("clientCert"), CONSUL_CLIENT_KEY: path("clientKey") };
}

test("an agent that asks for a client certificate is read with CA, certificate and key", async () => {
  expect(await read(client())).toBe(1);
});

test("the certificate may be for another name if that name is given", async () => {
  const localhost = { CONSUL_HTTP_ADDR: `https://localhost:${httpsPort}` };

  expect(await read({ ...client(), ...localhost, CONSUL_TLS_SERVER_NAME: "server.dc1.consul" })).toBe(1);
  await expect(read({ ...client(), CONSUL_TLS_SERVER_NAME: "server.dc2.consul" })).rejects.toThrow(ConsulError);
});

test("an agent whose CA is not known is not read, unless verification is turned off", async () => {
  const { CONSUL_CACERT: _, ...unknown } = client();

  await expect(read(unknown)).rejects.toMatchObject({ kind: "unreachable" });
  expect(await read({ ...unknown, CONSUL_HTTP_SSL_VERIFY: "false" })).toBe(1);
});

test("without the client certificate the agent refuses", async () => {
  await expect(read({ CONSUL_CACERT: path("ca") })).rejects.toMatchObject({ kind: "unreachable" });
});
