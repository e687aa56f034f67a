import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { type Conflist, exampleConflist } from "../../support/cni/conflist.ts";
import { chainOf, type OutboundRun, resultOf, runOutbound } from "../../support/cni/outbound.ts";
import { containing } from "../../support/containing.ts";
import type { JsonObject } from "../../support/json.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { chainRules, inBothFamilies, savedRules } from "../../support/saved-rules.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("the Go plugin's defects in its verbs, on iptables-%s", (backend) => {
  let node: ClientNode;
  const prevResult = resultOf("10.88.240.1/16", "fd00:88::24:1/64");

  beforeAll(async () => {
    node = await createNode({ backend });
  });

  afterAll(async () => {
    await node.close();
  });

  const conflistOf = (outbound: JsonObject): Conflist => exampleConflist(node, { outbound });
  const run = (command: OutboundRun["command"], conflist: Conflist, options: Partial<OutboundRun> = {}) =>
    runOutbound(node, { conflist, command, containerId: "subject", prevResult, ...options });

  test("2: CHECK passes with rules of every kind, and with none fails after everything was flushed", async () => {
    const rules: JsonObject[] = [
      { host: "10.0.0.0/8", proto: "tcp", port: "80,443,8000-8100", action: "ACCEPT" },
      { host: ["192.0.2.1", "2001:db8::/32"], proto: "udp", port: 53, action: "REJECT" },
      { proto: "sctp", port: "1:65535", action: "DROP", comment: 'it\'s "quoted"' },
      { proto: "icmp", action: "ACCEPT" },
      { proto: "icmpv6", action: "ACCEPT" },
      { host: "0.0.0.0/0", action: "DROP" },
      { host: "::/0", action: "DROP" },
    ];
    for (const outboundRules of [...rules.map((rule) => [rule]), rules, []]) {
      const conflist = conflistOf({ outboundRules });
      expect(await run("ADD", conflist)).toMatchObject({ exitCode: 0 });
      expect(await run("CHECK", conflist)).toMatchObject({ exitCode: 0, stdout: "" });
      await inBothFamilies(node, "-F");
      expect(await run("CHECK", conflist)).toMatchObject({ exitCode: 1 });
      expect(await run("DEL", conflist)).toMatchObject({ exitCode: 0 });
    }
  });

  test.each(["chainName", "mainChainName"])(
    "3: %s is read, and a key that is not known is refused by its name",
    async (key) => {
      const conflist = conflistOf({ [key]: "MY-EGRESS" });
      expect(await run("ADD", conflist)).toMatchObject({ exitCode: 0 });
      expect(await chainRules(node, "MY-EGRESS")).toHaveLength(1);
      expect(await chainRules(node, "FORWARD")).toContainEqual(containing(/-j MY-EGRESS$/));
      expect(await run("CHECK", conflist)).toMatchObject({ exitCode: 0 });
      expect(await run("DEL", conflist)).toMatchObject({ exitCode: 0 });
      expect(await chainRules(node, "MY-EGRESS")).toEqual([]);
      const misspelt = await run("ADD", conflistOf({ defaultActoin: "DROP" }));
      expect(misspelt).toMatchObject({ exitCode: 1, json: { code: 7, msg: containing("defaultActoin") } });
    },
  );

  test("9: a log directory that is missing is made, one that cannot be stops neither ADD nor DEL, and a port may be a number", async () => {
    const logging = (directory: string) =>
      conflistOf({
        outboundRules: [{ proto: "tcp", port: 53, action: "ACCEPT" }],
        logging: { enable: true, directory },
      });
    const missing = join(node.directory, "logs", "cni");
    const file = join(node.directory, "file");
    await writeFile(file, "");
    for (const directory of [missing, join(file, "below"), "/proc/none"]) {
      for (const command of ["ADD", "CHECK"] as const) {
        expect(await run(command, logging(directory))).toMatchObject({ exitCode: 0 });
      }
      expect(await run("DEL", logging(directory))).toMatchObject({ exitCode: 0, stdout: "" });
    }
    const [name = ""] = await readdir(missing);
    expect(name).toMatch(/^outbound-\d{4}-\d\d-\d\d\.log$/);
    const lines = (await readFile(join(missing, name), "utf8")).trim().split("\n");
    expect(lines.map((line): unknown => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ allocation: "subject", msg: "Attached" }),
    );
  });

  test("13: at CNI 1.1.0, GC removes what is no longer valid, and STATUS says where ADD cannot work", async () => {
    const conflist = { ...conflistOf({}), cniVersion: "1.1.0" };
    await run("ADD", conflist);
    await run("ADD", conflist, { containerId: "stale", prevResult: resultOf("10.88.240.2") });
    const keep = [{ containerID: "subject", ifname: "eth0" }];
    const config = { "cni.dev/valid-attachments": keep, "cni.dev/attachments": keep };
    expect(await run("GC", conflist, { config })).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await savedRules(node)).toContain(chainOf(conflist, "subject"));
    expect(await savedRules(node)).not.toContain(chainOf(conflist, "stale"));
    expect(await run("STATUS", conflist)).toMatchObject({ exitCode: 0, stdout: "" });
    const bin = join(node.directory, "broken");
    await mkdir(bin);
    for (const program of ["iptables-restore", "ip6tables-restore"]) {
      await writeFile(join(bin, program), "#!/bin/sh\necho 'no such table' >&2\nexit 3\n");
      await chmod(join(bin, program), 0o755);
    }
    const env = { PATH: `${bin}:${node.env["PATH"]}` };
    const broken = await run("STATUS", conflist, { env });
    expect(broken).toMatchObject({ exitCode: 1, json: { code: 50, msg: containing("no such table") } });
    await run("DEL", conflist);
  });

  test("16: each error has the code that the specification gives it", async () => {
    const conflist = conflistOf({});
    const codes: [number, Partial<OutboundRun>][] = [
      [1, { config: { cniVersion: "9.9.9" } }],
      [2, { config: { backend: "nftables" } }],
      [4, { env: { CNI_CONTAINERID: "a/b" } }],
      [4, { args: "outbound.additional_rules=[" }],
      [5, { config: { stateDir: "/proc/none" } }],
      [6, { config: "{" }],
      [6, { config: { prevResult: { ips: 7 } } }],
      [7, { config: { defaultAction: "PERHAPS" } }],
      [7, { config: { prevResult: { ips: [] } } }],
      [8, { netns: node.path }],
    ];
    for (const [code, options] of codes) expect((await run("ADD", conflist, options)).json).toMatchObject({ code });
    expect(await savedRules(node)).not.toContain(chainOf(conflist, "subject"));
  });

  test("what it does right: DEL twice, proper errors for malformed JSON and unknown versions, prevResult passed on", async () => {
    const conflist = conflistOf({});
    const given = { ...prevResult, dns: { nameservers: ["10.0.0.1"] }, routes: [{ dst: "0.0.0.0/0" }] };
    expect((await run("ADD", conflist, { prevResult: given })).json).toEqual(given);
    for (let i = 0; i < 2; i++) expect(await run("DEL", conflist)).toMatchObject({ exitCode: 0, stdout: "" });
    const malformed = await run("ADD", conflist, { config: '{"cniVersion":' });
    expect(malformed).toMatchObject({
      exitCode: 1,
      json: { code: 6, msg: containing("error unmarshall network config") },
    });
    const unknown = await run("ADD", conflist, { config: { cniVersion: "2.0.0" } });
    expect(unknown.json).toMatchObject({
      code: 1,
      msg: "incompatible CNI versions",
      details: containing('config is "2.0.0"'),
    });
  });
});
