import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { NomadError } from "../../lib/host/nomad-error.ts";
import { createNomad } from "../../lib/host/nomad.ts";
import { ensureConsul } from "../setup/consul.ts";
import { runCommand } from "../support/command.ts";
import { containing } from "../support/containing.ts";
import { startFakeNomad, type FakeNomad } from "../support/fake-nomad.ts";
import { parseOwnJson, type Json } from "../support/json.ts";

const id = "8623ac7a-28ba-20c3-24a6-e615a39bbbf3";
const web = { region: "global", namespace: "default", job: "web", group: "app" };
const limits = { timeoutMs: 600, maxBytes: 10_000 };
const token = "5f3c9c8e-secret-token";

type Environment = Readonly<Record<string, string>>;
type Read = (env: Environment) => Promise<Json>;

let directory: string;
let executable: string;
let nomad: FakeNomad;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "outbound-ask-nomad-"));
  executable = join(directory, "ask");
  const source = fileURLToPath(new URL("compiled-nomad.ts", import.meta.url));
  const bun = fileURLToPath(new URL("../../node_modules/.bin/bun", import.meta.url));
  await runCommand([bun, "build", "--compile", "--minify", "--bytecode", source, `--outfile=${executable}`]);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

beforeEach(async () => {
  nomad = await startFakeNomad();
  nomad.allocations.set(id, web);
});
afterEach(() => nomad.close());

const readers: readonly { readonly where: string; readonly read: Read }[] = [
  { where: "Node", read: readHere },
  { where: "the compiled executable", read: readCompiled },
];

async function readHere(env: Environment): Promise<Json> {
  try {
    return {
      identity: { ...(await createNomad(env, limits).readAllocation(id, { signal: new AbortController().signal })) },
    };
  } catch (error) {
    if (!(error instanceof NomadError)) throw error;
    return { kind: error.kind, message: error.message };
  }
}

async function readCompiled(env: Environment): Promise<Json> {
  const command = [executable, id, String(limits.timeoutMs), String(limits.maxBytes)];
  return parseOwnJson<Json>((await runCommand(command, { env })).stdout);
}

describe.each(readers)("an allocation that $where asks for", ({ read }) => {
  test("is known by a port and by a socket", async () => {
    expect(await read({ NOMAD_ADDR: nomad.url })).toEqual({ identity: web });
    expect(await read({ NOMAD_ADDR: nomad.unixUrl })).toEqual({ identity: web });
    expect(nomad.asked).toEqual([`/v1/allocation/${id}`, `/v1/allocation/${id}`]);
  });

  test("is asked for with a token, of a file before that of the environment", async () => {
    nomad.token = token;
    expect(await read({ NOMAD_ADDR: nomad.url, NOMAD_TOKEN: token })).toEqual({ identity: web });
    await writeFile(join(directory, "nomad_token"), `${token}\n`);
    const file = { NOMAD_TOKEN_FILE: join(directory, "nomad_token"), NOMAD_TOKEN: "old" };
    expect(await read({ NOMAD_ADDR: nomad.url, ...file })).toEqual({ identity: web });
  });

  test("is asked for at the task API, with the token that Nomad puts beside it", async () => {
    nomad.token = token;
    const task = { NOMAD_SECRETS_DIR: nomad.secretsDir };
    expect(await read(task)).toMatchObject({
      kind: "forbidden",
      message: containing("/nomad_token is not"),
    });
    await writeFile(join(nomad.secretsDir, "nomad_token"), token);
    expect(await read(task)).toEqual({ identity: web });
    expect(await read({ ...task, NOMAD_TOKEN: "another" })).toMatchObject({ kind: "forbidden" });
  });

  test("is refused without a good token, and the token is not told", async () => {
    nomad.token = "another";
    expect(await read({ NOMAD_ADDR: nomad.url, NOMAD_TOKEN: token })).toEqual({
      kind: "forbidden",
      message: 'Cannot read allocation from Nomad: Nomad answers 403, "Permission denied"',
    });
    nomad.answer = (response) => response.writeHead(500).end(`${"x".repeat(190)}${token}`);
    expect(JSON.stringify(await read({ NOMAD_ADDR: nomad.url, NOMAD_TOKEN: token }))).not.toContain("5f3c");
  });

  test("is not asked for without the token of a file that is missing", async () => {
    const env = { NOMAD_ADDR: nomad.url, NOMAD_TOKEN_FILE: join(directory, "missing") };
    expect(await read(env)).toMatchObject({ kind: "forbidden" });
    expect(nomad.asked).toEqual([]);
  });

  test("is not found where Nomad knows of none, or hides it", async () => {
    nomad.allocations.clear();
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "not-found" });
    nomad.answer = (response) => response.writeHead(500).end(`Unknown allocation "${id}"`);
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "not-found" });
  });

  test("is not known where Nomad does not answer, or nobody listens", async () => {
    nomad.answer = () => {};
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "timeout" });
    await nomad.stop();
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "unreachable" });
    expect(await read({ NOMAD_ADDR: nomad.unixUrl })).toMatchObject({ kind: "unreachable" });
  });

  test("is not known where the answer trickles", async () => {
    nomad.answer = (response) => trickle(response);
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "timeout" });
  });

  test("is not known where the answer breaks off, with a length and without", async () => {
    nomad.answer = (response) => {
      response.writeHead(200, { "content-length": 5000 });
      response.write("{", () => response.destroy());
    };
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "unreachable" });
    nomad.answer = (response) => {
      response.writeHead(200);
      response.write(JSON.stringify({ ID: id, Namespace: "default", JobID: "web", TaskGroup: "app" }), () =>
        response.destroy(),
      );
    };
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "unreachable" });
  });

  test("is not known where the answer is too large", async () => {
    nomad.answer = (response) => response.end(" ".repeat(100_000));
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "malformed" });
  });

  test.each([
    ["no JSON", "<html>"],
    ["a list", "[]"],
    ["without a namespace", { ID: id, JobID: "web", TaskGroup: "app" }],
    ["with an empty job", { ID: id, Namespace: "default", JobID: "", TaskGroup: "app" }],
    ["with half a surrogate pair", { ID: id, Namespace: "default", JobID: "\ud800", TaskGroup: "app" }],
    ["another allocation", { ID: `${id}0`, Namespace: "default", JobID: "web", TaskGroup: "app" }],
  ])("is not known where the answer is %s", async (_, body) => {
    nomad.answer = (response) => response.end(typeof body === "string" ? body : JSON.stringify(body));
    expect(await read({ NOMAD_ADDR: nomad.url })).toMatchObject({ kind: "malformed" });
  });

  test("is known without a region where Nomad says none", async () => {
    const { region: _, ...rest } = web;
    nomad.answer = (response) =>
      response.end(JSON.stringify({ ID: id, Namespace: "default", JobID: "web", TaskGroup: "app", Job: null }));
    expect(await read({ NOMAD_ADDR: nomad.url })).toEqual({ identity: rest });
  });

  test.each([
    [
      { NOMAD_ADDR: "tcp://127.0.0.1:4646" },
      "Cannot parse NOMAD_ADDR: tcp:// is not one of http://, https://, unix://",
    ],
    [{ NOMAD_ADDR: "https://127.0.0.1:1", NOMAD_CACERT: "/missing" }, "/missing"],
    [{ NOMAD_ADDR: "https://127.0.0.1:1", NOMAD_CLIENT_CERT: "/c" }, "NOMAD_CLIENT_KEY must both be set"],
    [{ NOMAD_ADDR: "http://127.0.0.1:1", NOMAD_SKIP_VERIFY: "maybe" }, "NOMAD_SKIP_VERIFY"],
  ])("is not asked for with settings that cannot be used: %j", async (env, message) => {
    expect(await read(env)).toMatchObject({ kind: "misconfigured", message: containing(message) });
  });
});

describe("over TLS", () => {
  let tls: FakeNomad;
  const file = (name: string): string => join(directory, name);
  const trusted = { NOMAD_CACERT: "consul-agent-ca.pem", NOMAD_TLS_SERVER_NAME: "server.dc1.consul" };

  beforeAll(async () => {
    const consul = await ensureConsul();
    for (const kind of [
      ["ca", "create"],
      ["cert", "create", "-server"],
      ["cert", "create", "-cli"],
    ]) {
      await runCommand([consul, "tls", ...kind], { cwd: directory });
    }
    tls = await startFakeNomad({
      tls: {
        ca: await readFile(file("consul-agent-ca.pem")),
        cert: await readFile(file("dc1-server-consul-0.pem")),
        key: await readFile(file("dc1-server-consul-0-key.pem")),
        requestCert: true,
        rejectUnauthorized: true,
      },
    });
    tls.allocations.set(id, web);
  });
  afterAll(() => tls.close());

  const envOf = (more: Environment): Environment => ({
    NOMAD_ADDR: tls.url,
    NOMAD_CLIENT_CERT: file("dc1-cli-consul-0.pem"),
    NOMAD_CLIENT_KEY: file("dc1-cli-consul-0-key.pem"),
    ...more,
  });

  test.each(readers)("$where knows it with both sides' certificates", async ({ read }) => {
    const env = envOf({ ...trusted, NOMAD_CACERT: file(trusted.NOMAD_CACERT) });
    expect(await read(env)).toEqual({ identity: web });
  });

  test.each(readers)("$where believes nobody whose certificate is of another name, or of nobody", async ({ read }) => {
    const env = envOf({ NOMAD_CACERT: file(trusted.NOMAD_CACERT) });
    expect(await read({ ...env, NOMAD_TLS_SERVER_NAME: "server.dc2.consul" })).toMatchObject({ kind: "unreachable" });
    expect(await read(envOf({}))).toMatchObject({ kind: "unreachable" });
    expect(await read(envOf({ NOMAD_SKIP_VERIFY: "true" }))).toEqual({ identity: web });
  });
});

function trickle(response: ServerResponse): void {
  response.writeHead(200);
  const timer = setInterval(() => response.write(" "), 50);
  response.on("close", () => clearInterval(timer));
}
