import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { checksumOf } from "../../lib/host/runtime-rules-text.ts";
import { ensurePackages } from "../setup/packages.ts";
import { type Conflist, exampleConflist } from "../support/cni/conflist.ts";
import {
  chainOf,
  type OutboundOutcome,
  outboundPath,
  type OutboundRun,
  resultOf,
  runOutbound,
} from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";
import { containing } from "../support/containing.ts";
import { type Json, type JsonObject, parseOwnJson } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { applyRuntimeRules, knowRuntimeRules } from "../support/runtime-rules.ts";
import { savedRules } from "../support/saved-rules.ts";
import { variants } from "../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

/** Stands in every hostile text, so that the text can be found wherever it went. */
const marker = "pwned";

const hostileTexts: Readonly<Record<string, string>> = {
  "a line of its own": `x\n-A FORWARD -j ACCEPT\n#${marker}`,
  "a closed quote": `${marker}" -j ACCEPT -m comment --comment "`,
  "an option": `-j ACCEPT ${marker}`,
  "a NUL": `${marker}\0-j ACCEPT`,
  "a shell's command": `$(touch /tmp/${marker})\`id\`;${marker}`,
  "half a surrogate pair": `${marker}\uD800\u202E`,
  "half a megabyte": marker.repeat(105_000),
  nothing: "",
};

describe.each(variants)("with iptables-%s", (backend) => {
  let node: ClientNode;
  let conflist: Conflist;
  /** The kernel's rules after the ADD of a harmless configuration. */
  let harmless: string;

  const prevResult = resultOf("10.88.210.1/16", "fd00:88::2101/64");
  const run = (command: OutboundRun["command"], options: Partial<OutboundRun> = {}) =>
    runOutbound(node, { conflist, command, containerId: "subject", netns: node.outside.path, prevResult, ...options });
  const stateFiles = async () => (await readdir(join(node.stateDir, "attachments"))).toSorted();

  const nodeState = async () => ({ rules: await savedRules(node), records: await stateFiles() });
  let untouched: Awaited<ReturnType<typeof nodeState>>;

  beforeAll(async () => {
    node = await createNode({ backend });
    conflist = exampleConflist(node, { outbound: { outboundRules: [{ host: "203.0.113.1", action: "ACCEPT" }] } });
    // Makes what all containers share, the chains of the node's own scope included.
    await applyRuntimeRules(node, {});
    await run("ADD", { containerId: "bystander", prevResult: resultOf("10.88.210.9", "fd00:88::2109") });
    untouched = await nodeState();
    await run("ADD");
    harmless = await savedRules(node);
    await run("DEL");
  });

  afterAll(async () => {
    await node.close();
  });

  // So that one failure is not taken for many.
  afterEach(() => run("DEL"));

  /** A refusal that names what is wrong, in few words. */
  function expectRefused(outcome: OutboundOutcome, { code, names }: { code: number; names: string | RegExp }) {
    const msg = containing(names);
    expect(outcome).toMatchObject({ exitCode: 1, json: { code, msg } });
    expect(outcome.stdout.length).toBeLessThan(16_384);
  }

  /** Taken as it is, where the text means nothing: the kernel holds what it would hold without it. Then detached. */
  async function expectHarmless(outcome: OutboundOutcome, options: Partial<OutboundRun> = {}) {
    expect(outcome).toMatchObject({ exitCode: 0 });
    const rules = await savedRules(node);
    expect(rules).toBe(harmless);
    expect(rules).not.toContain(marker);
    expect(await run("DEL", options)).toMatchObject({ exitCode: 0, stdout: "" });
  }

  test("a harmless configuration makes rules, and DEL takes them away", async () => {
    expect(harmless).not.toBe(untouched.rules);
    await expectHarmless(await run("ADD"));
    expect(await nodeState()).toEqual(untouched);
  });

  describe("a hostile text in the conflist", () => {
    const rule = (fields: JsonObject): JsonObject => ({
      outboundRules: [{ host: "203.0.113.1", action: "ACCEPT", ...fields }],
    });
    const result = (fields: JsonObject): JsonObject => ({ prevResult: { ...prevResult, ...fields } });

    const refusedAt: [string, number, string | RegExp, (text: string) => JsonObject][] = [
      ["chainName", 7, "chainName", (text) => ({ chainName: text })],
      ["mainChainName", 7, "mainChainName", (text) => ({ mainChainName: text })],
      ["defaultAction", 7, "defaultAction", (text) => ({ defaultAction: text })],
      ["hostTraffic", 7, "hostTraffic", (text) => ({ hostTraffic: text })],
      ["jobRules", 7, "jobRules", (text) => ({ jobRules: text })],
      ["backend", 7, "backend", (text) => ({ backend: text })],
      ["stateDir", 7, "stateDir", (text) => ({ stateDir: text })],
      ["cacheDir", 7, "cacheDir", (text) => ({ cacheDir: text })],
      ["a log directory", 7, "logging.directory", (text) => ({ logging: { enable: true, directory: text } })],
      ["a rule's host", 7, "outboundRules[0].host", (text) => rule({ host: text })],
      ["one of a rule's hosts", 7, "outboundRules[0].host[1]", (text) => rule({ host: ["10.0.0.1", text] })],
      ["a rule's proto", 7, "outboundRules[0].proto", (text) => rule({ proto: text })],
      ["a rule's port", 7, "outboundRules[0].port", (text) => rule({ proto: "tcp", port: text })],
      ["a rule's action", 7, "outboundRules[0].action", (text) => rule({ action: text })],
      [
        "a rule of runtimeRules",
        7,
        "runtimeRules[0].host",
        (text) => ({ runtimeRules: [{ host: text, action: "DROP" }] }),
      ],
      ["the network's name", 7, "network name", (text) => ({ name: text })],
      ["an address", 6, "prevResult.ips[0].address", (text) => result({ ips: [{ address: text }] })],
      [
        "an interface's name",
        6,
        /prevResult\.interfaces\[0\]\.name|Cannot match interface/,
        (text) => result({ interfaces: [{ name: text }] }),
      ],
    ];

    test.each(refusedAt)("as %s is refused with its path, and nothing is changed", async (_, code, names, config) => {
      for (const [kind, text] of Object.entries(hostileTexts)) {
        // Nothing but letters, half a megabyte of them, is a name that CNI allows.
        if (kind === "half a megabyte" && names === "network name") continue;
        const isFoundLate = kind === "half a surrogate pair" && names instanceof RegExp;
        expectRefused(await run("ADD", { config: config(text) }), { code: isFoundLate ? 7 : code, names });
      }
      expect(await nodeState()).toEqual(untouched);
    });

    test("as cniVersion is refused as a version, and an empty one is 0.1.0", async () => {
      for (const [kind, text] of Object.entries(hostileTexts)) {
        const outcome = await run("ADD", { config: { cniVersion: text } });
        if (kind === "nothing") expectRefused(outcome, { code: 7, names: "prevResult has none" });
        else expectRefused(outcome, { code: 1, names: "incompatible CNI versions" });
      }
      expect(await nodeState()).toEqual(untouched);
    });

    const takenAs: [string, (text: string) => JsonObject][] = [
      ["a rule's comment", (text) => rule({ comment: text.slice(0, 1024) })],
      ["dns of prevResult", (text) => result({ dns: { domain: text, nameservers: [text] } })],
      ["a sandbox", (text) => result({ interfaces: [{ name: "eth0", sandbox: `/${text}` }] })],
      ["another plugin's key", (text) => ({ ipam: { type: text }, args: { cni: { labels: text } } })],
      [
        "a log directory",
        (text) => ({
          logging: { enable: true, directory: `${node.directory}/${text.replaceAll("\0", "").slice(0, 200)}` },
        }),
      ],
    ];

    test.each(takenAs)("as %s never reaches the kernel", async (_, config) => {
      for (const text of Object.values(hostileTexts)) {
        const given = config(text);
        await expectHarmless(await run("ADD", { config: given }), { config: given });
      }
      expect(await nodeState()).toEqual(untouched);
    });
  });

  describe("a wrong type in the conflist", () => {
    const strings = ["chainName", "defaultAction", "hostTraffic", "jobRules", "backend", "stateDir", "cacheDir"];
    const wrong: [string, readonly Json[]][] = [
      ...strings.map((key): [string, readonly Json[]] => [key, [7, true, null, [], {}, ["DROP"]]]),
      ["outboundRules", ["ACCEPT", 7, null, {}, [null], ["ACCEPT"], [[]], [{}], { 0: { action: "ACCEPT" } }]],
      ["runtimeRules", [true, [7], { action: "ACCEPT" }]],
      ["logDenied", ["true", 1, null, []]],
      ["logging", [true, "on", [], null, { enable: "yes" }, { enabled: true }, { directory: "relative" }]],
    ];

    test.each(wrong)("of %s is refused with its path", async (key, values) => {
      for (const value of values) {
        expectRefused(await run("ADD", { config: { [key]: value } }), { code: 7, names: key });
      }
      expect(await nodeState()).toEqual(untouched);
    });

    const wrongRules: [string, JsonObject, string][] = [
      ["no action", { host: "10.0.0.1" }, "action"],
      ["a list of no hosts", { host: [], action: "ACCEPT" }, "host"],
      ["a name for an address", { host: "db.internal", action: "ACCEPT" }, "names are not addresses"],
      ["octal", { host: "010.0.0.1", action: "ACCEPT" }, "leading zero"],
      ["a port out of range", { proto: "tcp", port: 65_536, action: "ACCEPT" }, "out of range"],
      ["a fraction of a port", { proto: "tcp", port: 80.5, action: "ACCEPT" }, "port"],
      ["a port without a protocol", { port: 80, action: "ACCEPT" }, "expected proto tcp, udp or sctp"],
      ["an unknown protocol", { proto: "quic", action: "ACCEPT" }, "proto"],
      ["an unknown key", { dport: 80, action: "ACCEPT" }, "dport"],
      ["a key in other letters", { Host: "10.0.0.1", action: "ACCEPT" }, "Host"],
      [
        "far more than the kernel can hold",
        { host: Array.from({ length: 30_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`), action: "ACCEPT" },
        "netfilter rules",
      ],
    ];

    test.each(wrongRules)("in a rule with %s is refused with what was expected", async (_, rule, names) => {
      const good = { host: "203.0.113.1", action: "ACCEPT" };
      const outcome = await run("ADD", { config: { outboundRules: [good, rule] } });
      expectRefused(outcome, { code: 7, names });
      expect(outcome.stdout).toContain("outboundRules");
      expect(await nodeState()).toEqual(untouched);
    });

    test.each([
      "outboundrules",
      "OutboundRules",
      "rules",
      "policy",
      "default_action",
      "__proto__",
      "constructor",
      "toString",
      "",
    ])("a key %j that is not known is refused by its name", async (key) => {
      const config = { [key]: [{ action: "ACCEPT" }] };
      expect(Object.keys(config)).toEqual([key]);
      expectRefused(await run("ADD", { config }), { code: 7, names: key === "" ? /\S/ : key });
      expect(await nodeState()).toEqual(untouched);
    });
  });

  describe("a stdin", () => {
    const valid = () => JSON.stringify({ ...conflist.plugins.at(-1), name: "egress", cniVersion: "1.0.0", prevResult });
    const given: [string, () => Buffer | string, number, RegExp][] = [
      ["that is empty", () => "", 6, /error unmarshall network config/],
      ["that is cut off", () => valid().slice(0, -20), 6, /error unmarshall/],
      ["with something after it", () => `${valid()}}`, 6, /error unmarshall/],
      ["of two objects", () => valid() + valid(), 6, /error unmarshall/],
      ["that is a list", () => `[${valid()}]`, 6, /error unmarshall/],
      ["that is a number", () => "1", 6, /error unmarshall/],
      ["that is null", () => "null", 7, /missing network name/],
      ["in UTF-16", () => Buffer.from(valid(), "utf16le"), 6, /error unmarshall/],
      [
        "of random bytes",
        () => Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 131 + 7) % 256)),
        6,
        /error unmarshall/,
      ],
      ["nested 200,000 deep", () => "[".repeat(200_000), 6, /error unmarshall/],
      [
        "with rules nested 100,000 deep",
        () => valid().replace('"ACCEPT"', "[".repeat(100_000) + "]".repeat(100_000)),
        7,
        /outboundRules\[0\]\.action/,
      ],
      [
        "with a host nested 100,000 deep",
        () => valid().replace('"203.0.113.1"', "[".repeat(100_000) + "]".repeat(100_000)),
        7,
        /outboundRules\[0\]\.host/,
      ],
      [
        "with 50,000 wrong rules",
        () => valid().replace('"outboundRules":[', `"outboundRules":[${"7,".repeat(50_000)}`),
        7,
        /outboundRules/,
      ],
      [
        "with bytes that are not UTF-8 where a word belongs",
        () => replaceBytes(valid(), "ACCEPT", Buffer.from([0x41, 0xff, 0xfe])),
        7,
        /outboundRules\[0\]\.action/,
      ],
    ];

    test.each(given)("%s is refused, and nothing is changed", async (_, stdin, code, names) => {
      const input = join(node.directory, "stdin");
      await writeFile(input, stdin());
      const env = {
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: "subject",
        CNI_NETNS: "/none",
        CNI_IFNAME: "eth0",
        CNI_PATH: "/x",
      };
      const outcome = await node.exec(["sh", "-c", '"$0" < "$1"', outboundPath, input], { env, allowFailure: true });
      expect(outcome.stderr).toBe("");
      const json = parseOwnJson<Json>(outcome.stdout);
      expectRefused({ ...outcome, json }, { code, names });
      expect(await nodeState()).toEqual(untouched);
    });

    test("of megabytes that are nobody's business comes back whole, and changes nothing in the kernel", async () => {
      const large = { ...prevResult, "x-large": Array.from({ length: 40_000 }, (_, i) => `${marker}-${i}`) };
      const outcome = await run("ADD", { prevResult: large });
      expect(outcome.json).toEqual(large);
      await expectHarmless(outcome);
    });

    test("with another plugin's key nested 50,000 deep is refused or taken, and nothing of it is half done", async () => {
      const deep = "[".repeat(50_000) + "]".repeat(50_000);
      const outcome = await run("ADD", { config: valid().replace("{", `{"args":${deep},`) });
      if (outcome.exitCode === 0) await expectHarmless(outcome);
      else expectRefused(outcome, { code: 6, names: /./ });
      expect(await nodeState()).toEqual(untouched);
    });
  });

  describe("CNI_ARGS", () => {
    const refused: [string, string][] = [
      ["text", "ACCEPT"],
      ["half of an object", '{"host":"10.0.0.1"'],
      ["a number", "7"],
      ["null", "null"],
      ["a list of lists", "[[]]"],
      ["an unknown key", '[{"action":"ACCEPT","jump":"ACCEPT"}]'],
      ["another action", '[{"action":"RETURN"}]'],
      ["a line of its own", JSON.stringify([{ host: hostileTexts["a line of its own"] ?? "", action: "ACCEPT" }])],
      ["a closed quote", JSON.stringify([{ host: '1.1.1.1" -j ACCEPT', action: "ACCEPT" }])],
      ["an option", JSON.stringify([{ host: "1.1.1.1 -j ACCEPT", action: "ACCEPT" }])],
      ["120 KB of brackets", "[".repeat(120_000)],
      ["120 KB of wrong rules", `[${"7,".repeat(60_000)}7]`],
      ["an empty string for a port", '[{"proto":"tcp","port":"","action":"ACCEPT"}]'],
      ["a polluted prototype", '[{"__proto__":{"action":"ACCEPT"}}]'],
    ];

    test.each(refused)(
      "with %s for job rules are refused by the argument's name, and nothing is changed",
      async (_, text) => {
        const outcome = await run("ADD", { args: `IgnoreUnknown=true;outbound.additional_rules=${text}` });
        expectRefused(outcome, { code: 4, names: "outbound.additional_rules" });
        expect(await nodeState()).toEqual(untouched);
      },
    );

    test("with bytes that are not UTF-8 are refused", async () => {
      const script =
        'CNI_ARGS="$(printf "outbound.additional_rules=[{\\"host\\":\\"\\377\\376\\",\\"action\\":\\"ACCEPT\\"}]")" exec "$0"';
      const env = {
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: "subject",
        CNI_NETNS: "/none",
        CNI_IFNAME: "eth0",
        CNI_PATH: "/x",
      };
      const input = JSON.stringify({ ...conflist.plugins.at(-1), name: "egress", cniVersion: "1.0.0", prevResult });
      const outcome = await node.exec(["sh", "-c", script, outboundPath], { env, input, allowFailure: true });
      const json = parseOwnJson<Json>(outcome.stdout);
      expectRefused({ ...outcome, json }, { code: 4, names: "outbound.additional_rules" });
      expect(await nodeState()).toEqual(untouched);
    });

    test.each([
      "IgnoreUnknown",
      "=",
      ";;;",
      "a;b=c;=d",
      `outbound.additional_rules=`,
      "x".repeat(100_000),
      "outbound.additional_rules",
    ])("that say nothing of ours (%.40s) change nothing", async (args) => {
      await expectHarmless(await run("ADD", { args }));
      expect(await nodeState()).toEqual(untouched);
    });

    test.each(Object.keys(hostileTexts).filter((kind) => kind !== "half a megabyte" && kind !== "a NUL"))(
      "with %s as the job's and the group's name never reach the kernel",
      async (kind) => {
        const text = hostileTexts[kind] ?? "";
        await expectHarmless(await run("ADD", { args: `NOMAD_JOB_ID=${text};NOMAD_GROUP_NAME=${text}` }));
        const outcome = await run("ADD", { args: `NOMAD_NAMESPACE=${text};NOMAD_JOB_ID=${text}` });
        expect(outcome).toMatchObject({ exitCode: 0 });
        const rules = await savedRules(node);
        expect(rules).not.toContain(marker);
        expect(rules.match(/-j ACCEPT/g)?.length).toBe(harmless.match(/-j ACCEPT/g)?.length);
        await run("DEL");
        await applyRuntimeRules(node, {});
        expect(await nodeState()).toEqual(untouched);
      },
    );
  });

  describe("the file of runtime rules", () => {
    const line = (value: Json, key = "global/x") => `${JSON.stringify({ key, modifyIndex: 1, value })}\n`;
    const whole = (lines: string, head: JsonObject = { format: 1, node: "n" }) => {
      const body = `${lines}]}\n`;
      const checksum = checksumOf({ node: "n", latestMs: 0, body });
      return `${JSON.stringify({ ...head, checksum, ruleSets: [] }).slice(0, -2)}\n${body}`;
    };
    const files: [string, () => string | Buffer][] = [
      ["empty", () => ""],
      ["cut off", () => whole(line({ action: "ACCEPT" })).slice(0, -3)],
      ["of another format", () => whole("", { format: 99, node: "n" })],
      ["without a node", () => whole("", { format: 1 })],
      ["of another checksum", () => whole(line({ action: "ACCEPT" }), { format: 1, node: "m" })],
      ["of random bytes", () => Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 131 + 7) % 256))],
      ["with a rule that is none", () => whole(line({ action: "RETURN" }))],
      [
        "with a line of its own in a host",
        () => whole(line({ host: hostileTexts["a line of its own"] ?? "", action: "ACCEPT" })),
      ],
      ["with a hostile key", () => whole(line({ action: "ACCEPT" }, `global/${hostileTexts["a closed quote"] ?? ""}`))],
      ["with a key of no scope", () => whole(line({ action: "ACCEPT" }, "everything"))],
      [
        "with an index that is none",
        () => whole(`${JSON.stringify({ key: "global/x", modifyIndex: marker, value: { action: "ACCEPT" } })}\n`),
      ],
      ["with a line that is not JSON", () => whole('{"key":"global/x","modifyIndex":1,"value":\n')],
      ["with a rule set for somebody else", () => whole(line({ action: "ACCEPT" }, "namespace/other/x"))],
    ];

    // No chain stands there from before: what the file says would decide.
    let alone: ClientNode;
    beforeAll(async () => {
      alone = await createNode({ backend });
      await mkdir(alone.cacheDir, { recursive: true });
    });
    afterAll(() => alone.close());

    test.each(files)("that is %s is not trusted: ADD goes on with the static rules alone", async (_, content) => {
      await writeFile(join(alone.cacheDir, "runtime-rules.json"), content());
      const own = { conflist: exampleConflist(alone), containerId: "subject", prevResult };
      expect(await runOutbound(alone, { ...own, command: "ADD" })).toMatchObject({ exitCode: 0 });
      expect(await savedRules(alone)).toMatch(/-A CNI-OUT-[0-9a-f]{20} .*-j DROP/);
      expect(await savedRules(alone)).not.toMatch(/CNI-OUTAR-|-j ACCEPT|pwned/);
      expect(await runOutbound(alone, { ...own, command: "DEL" })).toMatchObject({ exitCode: 0 });
      expect(await savedRules(alone)).not.toMatch(/CNI-OUT-/);
    });

    test("with hostile comments and descriptions decides by its rules, and the texts never reach the kernel", async () => {
      const own = { conflist: exampleConflist(alone), containerId: "subject", prevResult };
      const texts = Object.values(hostileTexts).map((text) => text.slice(0, 1_000));
      knowRuntimeRules(alone, {
        "global/x": {
          rules: texts.map((comment) => ({ host: "203.0.113.7", action: "ACCEPT", comment })),
          description: texts.join("\n"),
        },
      });
      expect(await runOutbound(alone, { ...own, command: "ADD" })).toMatchObject({ exitCode: 0, stderr: "" });
      const rules = await savedRules(alone);
      expect(rules.match(/-d 203\.0\.113\.7\/32 .*-g CNI-OUT-ACCEPT/g)).toHaveLength(texts.length);
      expect(rules).not.toContain(marker);
    });
  });

  describe("a record of an attachment", () => {
    const others = () => join(node.stateDir, "attachments", `${chainOf(conflist, "broken")}.json`);
    const damages: [string, (text: string) => string][] = [
      ["empty", () => ""],
      ["cut off", (text) => text.slice(0, text.length / 2)],
      ["of another version", (text) => text.replace('"version": 1', '"version": 99')],
      ["of another chain", (text) => text.replaceAll(chainOf(conflist, "broken"), chainOf(conflist, "bystander"))],
      ["binary", () => "\0\u0001\uFFFF".repeat(1_000)],
      [
        "full of hostile text",
        (text) => text.replace("10.88.210.5", hostileTexts["a line of its own"]?.replaceAll("\n", "\\n") ?? ""),
      ],
    ];

    test.each(damages)(
      "that is %s stops nobody: ADD of others, CHECK and DEL of its own go on, and it is set aside",
      async (_, damage) => {
        const broken = { containerId: "broken", prevResult: resultOf("10.88.210.5/16") };
        expect(await run("ADD", broken)).toMatchObject({ exitCode: 0 });
        const rules = await savedRules(node);
        await writeFile(others(), damage(await readFile(others(), "utf8")));

        expect(await run("ADD")).toMatchObject({ exitCode: 0 });
        expect(await run("DEL")).toMatchObject({ exitCode: 0 });
        expect(await savedRules(node)).toBe(rules);
        expect(await run("CHECK", broken)).toMatchObject({ exitCode: 0, stdout: "" });
        // What leads to its chain may stand in another place now, and nothing else has changed.
        await applyRuntimeRules(node, {});
        expect((await savedRules(node)).split("\n").toSorted()).toEqual(rules.split("\n").toSorted());
        expect(await stateFiles()).toContain(`${chainOf(conflist, "broken")}.unreadable`);
        expect(await run("DEL", broken)).toMatchObject({ exitCode: 0, stdout: "" });
        expect(await nodeState()).toEqual(untouched);
        expect(await stateFiles()).toEqual([`${chainOf(conflist, "bystander")}.json`]);
      },
    );
  });

  test("a full disk fails ADD with code 5 and the file's name, leaves no chain, and lets CHECK and DEL go on", async () => {
    const alone = await createNode({ backend });
    onTestFinished(() => alone.close());
    await mkdir(alone.stateDir);
    await runCommand(["mount", "-t", "tmpfs", "-o", "size=64k", "none", alone.stateDir]);
    onTestFinished(async () => {
      await runCommand(["umount", alone.stateDir]);
    });
    const own = exampleConflist(alone);
    const on = (command: OutboundRun["command"], containerId: string) =>
      runOutbound(alone, {
        conflist: own,
        command,
        containerId,
        prevResult: resultOf(`10.88.211.${containerId.length}`),
      });
    const records = () => readdir(join(alone.stateDir, "attachments"));
    expect(await on("ADD", "early")).toMatchObject({ exitCode: 0 });
    const rules = await savedRules(alone);
    await writeFile(join(alone.stateDir, "ballast"), Buffer.alloc(65_536)).catch(() => {});

    const outcome = await on("ADD", "subject");
    const file = join(alone.stateDir, "attachments", `${chainOf(own, "subject")}.json`);
    const msg = containing(`Cannot write ${file}: ENOSPC`);
    expect(outcome).toMatchObject({ exitCode: 1, json: { code: 5, msg } });
    expect(await savedRules(alone)).toBe(rules);
    expect(await records()).toEqual([`${chainOf(own, "early")}.json`]);

    expect(await on("CHECK", "early")).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await on("DEL", "early")).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await savedRules(alone)).not.toMatch(/CNI-OUT-/);
    expect(await records()).toEqual([]);
    await rm(join(alone.stateDir, "ballast"));
    expect(await on("ADD", "subject")).toMatchObject({ exitCode: 0 });
  });

  describe("where ip6tables is not installed", () => {
    /** The plugin on a system whose folders of programs hold no ip6tables. */
    async function runWithout6(
      command: "ADD" | "DEL" | "CHECK" | "STATUS",
      addresses: readonly string[],
    ): Promise<OutboundOutcome> {
      const bin = join(node.directory, "bin4");
      await mkdir(bin, { recursive: true });
      for (const program of ["iptables", "iptables-restore", "iptables-save"]) {
        await symlink(`/usr/sbin/xtables-${backend}-multi`, join(bin, program)).catch(() => {});
      }
      const script = [
        'all=$(mktemp -d) && mount --bind /usr/sbin "$all" && mount -t tmpfs none /usr/sbin',
        'for each in "$all"/*; do case $each in */ip6*) ;; *) ln -s "$each" /usr/sbin/ ;; esac; done',
        'if PATH="$1" command -v ip6tables-restore; then exit 99; fi',
        'PATH="$1" exec "$0"',
      ].join("\n");
      const env = {
        CNI_COMMAND: command,
        CNI_CONTAINERID: "subject",
        CNI_NETNS: "/none",
        CNI_IFNAME: "eth0",
        CNI_PATH: "/x",
      };
      const config = {
        ...conflist.plugins.at(-1),
        name: "egress",
        cniVersion: "1.1.0",
        prevResult: resultOf(...addresses),
      };
      const argv = [
        "unshare",
        "-m",
        "--propagation",
        "private",
        "sh",
        "-ec",
        script,
        outboundPath,
        `${bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
      ];
      const outcome = await node.exec(argv, { env, input: JSON.stringify(config), allowFailure: true });
      expect(outcome.exitCode).not.toBe(99);
      return outcome.stdout === "" ? outcome : { ...outcome, json: parseOwnJson(outcome.stdout) };
    }

    test("a container with an IPv6 address is refused, by name, and gets nothing", async () => {
      const outcome = await runWithout6("ADD", ["10.88.210.1/16", "fd00:88::2101/64"]);
      expectRefused(outcome, {
        code: 50,
        names: "Cannot filter IPv6: ip6tables-restore is not installed and the container has fd00:88::2101",
      });
      expect(await nodeState()).toEqual(untouched);
    });

    test("a container with IPv4 only is attached, checked and detached", async () => {
      const addresses = ["10.88.210.1/16"];
      expect(await runWithout6("ADD", addresses)).toMatchObject({
        exitCode: 0,
        json: { ips: [{ address: "10.88.210.1/16" }] },
      });
      expect(await savedRules(node)).toContain(chainOf(conflist, "subject"));
      expect(await runWithout6("CHECK", addresses)).toMatchObject({ exitCode: 0, stdout: "" });
      expect(await runWithout6("STATUS", addresses)).toMatchObject({ exitCode: 0, stdout: "" });
      expect(await runWithout6("DEL", addresses)).toMatchObject({ exitCode: 0, stdout: "" });
      expect(await nodeState()).toEqual(untouched);
    });
  });
});

function replaceBytes(text: string, word: string, bytes: Buffer): Buffer {
  const [head = "", tail = ""] = text.split(word);
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from(tail)]);
}
