import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { encodeSegment } from "../../lib/policy/segment.ts";
import { ensurePackages } from "../setup/packages.ts";
import { type Conflist, exampleConflist } from "../support/cni/conflist.ts";
import {
  chainOf,
  outboundPath,
  type OutboundRun,
  resultOf,
  runOutbound,
  runOutboundFor,
} from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";
import { containing } from "../support/containing.ts";
import type { Container } from "../support/container.ts";
import type { Json, JsonObject } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { applyRuntimeRules } from "../support/runtime-rules.ts";
import { chainRules, inBothFamilies, savedRules } from "../support/saved-rules.ts";
import { variants } from "../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

describe.each(variants)("with iptables-%s", (backend) => {
  let node: ClientNode;
  let conflist: Conflist;
  /** Attached throughout: whatever is done to others must leave it as it is. */
  let container: Container;

  beforeAll(async () => {
    node = await createNode({ backend });
    const { v4, v6 } = node.outside;
    conflist = exampleConflist(node, {
      outbound: {
        outboundRules: [
          { host: [v4[0], v6[0]], proto: "tcp", port: "443,8000-8100", action: "ACCEPT" },
          { host: "10.0.0.0/8", proto: "all", action: "REJECT" },
          { proto: "icmp", action: "ACCEPT" },
        ],
      },
    });
    await node.outside.listen({ addresses: [...v4, ...v6], ports: [443] });
    container = await node.attach({ conflist });
  });

  afterAll(async () => {
    await node.close();
  });

  const stateFiles = async () => (await readdir(join(node.stateDir, "attachments"))).toSorted();

  describe("ADD again without DEL", () => {
    test("with the same address changes nothing in the kernel and nothing on record but the time", async () => {
      const [rules, files] = [await savedRules(node), await stateFiles()];
      const again = await runOutboundFor(node, container, { conflist, command: "ADD" });
      expect(again).toMatchObject({ exitCode: 0, json: container.result });
      expect(await savedRules(node)).toBe(rules);
      expect(await stateFiles()).toEqual(files);
    });

    test("with another address filters that one, and nothing of the old one stays", async () => {
      const moved = await node.attach({ conflist });
      const addresses = ["10.88.7.7", "fd00:88::7:7"];
      await moved.ip("addr add 10.88.7.7/16 dev eth0", "addr add fd00:88::7:7/64 dev eth0 preferred_lft 0 nodad");
      const prevResult = withAddresses(moved.result, addresses);
      expect(await runOutboundFor(node, moved, { conflist, command: "ADD", prevResult })).toMatchObject({
        exitCode: 0,
      });
      for (const [index, from] of addresses.entries()) {
        const [address, other] = index === 0 ? node.outside.v4 : node.outside.v6;
        expect(await moved.connect({ address, port: 443, from, timeoutMs: 2_000 })).toBe("open");
        expect(await moved.connect({ address: other, port: 443, from })).toBe("timeout");
        expect(await moved.connect({ address, port: 443, from: moved.addresses[index] ?? "" })).toBe("timeout");
      }
      const main = [...(await chainRules(node, "CNI-OUTBOUND", 4)), ...(await chainRules(node, "CNI-OUTBOUND", 6))];
      for (const old of moved.addresses) expect(main.join("\n")).not.toContain(`${old}/`);
      await moved.detach();
    });

    test.each([
      ["emptied", (chain: string) => [`-F ${chain}`]],
      ["bypassed", (chain: string) => [`-I ${chain} 1 -j ACCEPT`]],
      ["orphaned", () => ["-F CNI-OUTBOUND"]],
    ])("repairs a chain that was %s, as Nomad's does after a failed CHECK", async (_, damage) => {
      const rules = await savedRules(node);
      await inBothFamilies(node, ...damage(chainOf(conflist, container.containerId)));
      expect(await savedRules(node)).not.toBe(rules);
      expect((await runOutboundFor(node, container, { conflist, command: "ADD" })).exitCode).toBe(0);
      expect(await savedRules(node)).toBe(rules);
    });

    test("takes in a chain that was left behind with no record of it", async () => {
      const left = await node.attach({ conflist });
      const chain = chainOf(conflist, left.containerId);
      await runCommand(["rm", join(node.stateDir, "attachments", `${chain}.json`)]);
      const prevResult = withAddresses(left.result, ["10.88.8.8", "fd00:88::8:8"]);
      expect(await runOutboundFor(node, left, { conflist, command: "ADD", prevResult })).toMatchObject({ exitCode: 0 });
      await expect(runOutboundFor(node, left, { conflist, command: "CHECK", prevResult })).resolves.toMatchObject({
        exitCode: 0,
      });
      await left.detach();
      expect(await savedRules(node)).not.toContain(chain);
    });
  });

  describe("DEL", () => {
    const ghost = (command: OutboundRun["command"], run: Partial<OutboundRun> = {}) =>
      runOutbound(node, { conflist, command, containerId: "ghost", ...run });
    const added = resultOf("10.88.200.1/16", "fd00:88::2001/64");

    test.each([
      ["without arguments, with prevResult", { prevResult: added }],
      ["without prevResult", {}],
      ["without CNI_NETNS", { env: { CNI_NETNS: undefined } }],
      ["with a stale prevResult", { prevResult: resultOf("10.88.1.1/16") }],
      ["with a prevResult that has no addresses", { prevResult: { cniVersion: "1.0.0" } }],
      ["with a malformed prevResult", { prevResult: { cniVersion: "1.0.0", ips: "none", interfaces: [7] } }],
      ["with a configuration that no longer validates", { config: { outboundRules: [{ action: "MAYBE" }], typo: 1 } }],
    ] satisfies [string, Partial<OutboundRun>][])(
      "%s removes the container's chain and record, and no other",
      async (_, run) => {
        const [rules, files] = [await savedRules(node), await stateFiles()];
        expect(await ghost("ADD", { prevResult: added, args: "IgnoreUnknown=true" })).toMatchObject({ exitCode: 0 });
        expect(await savedRules(node)).not.toBe(rules);
        for (const time of ["first", "second"]) {
          expect([time, await ghost("DEL", run)]).toMatchObject([time, { exitCode: 0, stdout: "" }]);
          expect(await savedRules(node)).toBe(rules);
          expect(await stateFiles()).toEqual(files);
        }
      },
    );

    test("of a container that was never added succeeds and changes nothing", async () => {
      const [rules, files] = [await savedRules(node), await stateFiles()];
      const outcome = await ghost("DEL", { containerId: randomUUID(), prevResult: added });
      expect(outcome).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
      expect([await savedRules(node), await stateFiles()]).toEqual([rules, files]);
    });

    test("of the last container leaves no chain of ours but the main one", async () => {
      const empty = await createNode({ backend });
      onTestFinished(() => empty.close());
      const only = await empty.attach({
        conflist: exampleConflist(empty, { outbound: { outboundRules: [{ action: "ACCEPT" }] } }),
      });
      await only.detach();
      const left = (await savedRules(empty)).split("\n").filter((line) => line.includes("CNI-OUT"));
      expect(left.filter((line) => !line.includes("CNI-OUTBOUND"))).toEqual([]);
      expect(await chainRules(empty, "CNI-OUTBOUND")).toEqual([]);
      expect(await readdir(join(empty.stateDir, "attachments"))).toEqual([]);
    });
  });

  describe("CHECK", () => {
    const check = (run: Partial<OutboundRun> = {}) =>
      runOutboundFor(node, container, { conflist, command: "CHECK", ...run });
    const good = { exitCode: 0, stdout: "", stderr: "" };

    test("passes right after ADD, as a part of the whole chain", async () => {
      const fresh = await node.attach({ conflist: exampleConflist(node, { portmap: false }) });
      await expect(fresh.check()).resolves.toBeUndefined();
      await fresh.detach();
    });

    test("passes after runtime rules came, changed and went", async () => {
      for (const sets of [
        { "global/a": { action: "DROP" } },
        { "global/a": { action: "ACCEPT" }, "node/x/b": { action: "DROP" } },
        {},
      ]) {
        await applyRuntimeRules(node, sets);
        expect(await check()).toMatchObject(good);
      }
    });

    test("passes beside unrelated rules of others", async () => {
      const rules = [
        "FORWARD -s 203.0.113.1 -j ACCEPT",
        "INPUT -p tcp --dport 22 -j ACCEPT",
        "CNI-ADMIN -j RETURN",
        "CNI-OUTBOUND -j RETURN",
      ];
      const denies = ["FORWARD -s 203.0.113.2 -j DROP", "CNI-FORWARD -j LOG"];
      const changes = [...rules.map((rule) => `-A ${rule}`), ...denies.map((rule) => `-I ${rule}`)];
      for (const change of changes) await node.exec(["iptables", ...change.split(" ")]);
      onTestFinished(async () => {
        for (const rule of [...rules, ...denies]) await node.exec(["iptables", "-D", ...rule.split(" ")]);
      });
      expect(await check()).toMatchObject(good);
    });

    const chain = () => chainOf(conflist, container.containerId);
    const jump = async (program: string, from: string) => {
      const { stdout } = await node.exec([program, "-S", from]);
      const rule = stdout.split("\n").find((line) => line.endsWith("-j CNI-OUTBOUND"));
      if (rule === undefined) throw new Error(`Cannot find the jump from ${from}`);
      return rule.replace(`-A ${from} `, "").replaceAll('"', "");
    };
    const missing = () => Promise.resolve(["-F CNI-OUTBOUND", `-F ${chain()}`, `-X ${chain()}`]);
    const unjumped = async (program: string) => [`-D CNI-FORWARD ${await jump(program, "CNI-FORWARD")}`];
    const lowered = async (program: string) => [
      ...(await unjumped(program)),
      `-A CNI-FORWARD ${await jump(program, "CNI-FORWARD")}`,
    ];
    const unjumpedInput = async (program: string) => [`-D INPUT ${await jump(program, "INPUT")}`];
    const accepting = async (program: string) => {
      const { stdout } = await node.exec([program, "-S", chain()]);
      const rules = stdout.split("\n").filter((line) => line.startsWith("-A "));
      const last = rules.at(-1)?.replace(`-A ${chain()} `, "").replace("-j DROP", "-j ACCEPT").replaceAll('"', "");
      return [`-R ${chain()} ${rules.length} ${last}`];
    };
    const just = (change: () => string) => () => Promise.resolve([change()]);

    const damages: [string, (program: string) => Promise<string[]>, RegExp][] = [
      ["our chain was emptied", just(() => `-F ${chain()}`), /rules are missing from CNI-OUT-[0-9a-f]{20}/],
      ["our chain was removed", missing, /chain CNI-OUT-[0-9a-f]{20} is missing/],
      ["what leads to our chain was emptied", just(() => "-F CNI-OUTBOUND"), /CNI-OUTBOUND does not lead to CNI-OUT-/],
      ["the jump to the main chain was deleted", unjumped, /CNI-OUTBOUND is not reached before other rules can accept/],
      ["the jump was moved below the accepts", lowered, /CNI-OUTBOUND is not reached before other rules can accept/],
      ["the jump from INPUT was deleted", unjumpedInput, /CNI-OUTBOUND is not reached before other rules can accept/],
      ["somebody accepts before the jump", just(() => "-I FORWARD 1 -j ACCEPT"), /CNI-OUTBOUND is not reached before/],
      [
        "somebody accepts at the top of our chain",
        just(() => `-I ${chain()} 1 -j ACCEPT`),
        /CNI-OUT-[0-9a-f]{20} has a rule that is not ours/,
      ],
      ["our last rule accepts, with our comment", accepting, /rules are missing from CNI-OUT-[0-9a-f]{20}/],
      [
        "somebody returns at the top of our chain",
        just(() => `-I ${chain()} 1 -j RETURN`),
        /CNI-OUT-[0-9a-f]{20} has a rule that is not ours/,
      ],
      [
        "somebody accepts at the top of the main chain",
        just(() => "-I CNI-OUTBOUND 1 -j ACCEPT"),
        /CNI-OUTBOUND has a rule that is not ours/,
      ],
      [
        "somebody accepts at the top of the static rules",
        just(() => `-I ${staticChain} 1 -j ACCEPT`),
        /CNI-OUTST-[0-9a-f]+ has a rule that is not ours/,
      ],
    ];
    let staticChain = "";

    test.each(damages)(
      "fails where %s, says so, changes nothing, and passes after another ADD",
      async (_, damage, message) => {
        await applyRuntimeRules(node, {});
        staticChain = /CNI-OUTST-[0-9a-f]+/.exec(await savedRules(node))?.[0] ?? "";
        const before = await savedRules(node);
        for (const program of ["iptables", "ip6tables"]) {
          const changes = await damage(program);
          for (const change of changes) await node.exec([program, ...change.split(" ")]);
          const rules = await savedRules(node);
          expect(rules).not.toBe(before);
          const outcome = await check();
          expect(outcome).toMatchObject({ exitCode: 1, json: { code: 999, msg: containing(message) } });
          expect(outcome.stdout).toContain("The container's static rules are not in force");
          expect(await savedRules(node)).toBe(rules);
          if (rules.includes("-A FORWARD -j ACCEPT")) await node.exec([program, "-D", "FORWARD", "-j", "ACCEPT"]);
          expect((await runOutboundFor(node, container, { conflist, command: "ADD" })).exitCode).toBe(0);
          expect(await check()).toMatchObject(good);
        }
        expect(await savedRules(node)).toBe(before);
      },
    );

    test("fails for a container that was never added", async () => {
      const outcome = await runOutbound(node, {
        conflist,
        command: "CHECK",
        containerId: "never",
        prevResult: resultOf("10.88.99.99"),
      });
      expect(outcome).toMatchObject({ exitCode: 1, json: { code: 999, msg: containing("is missing") } });
    });
  });

  describe("what Nomad says of an allocation", () => {
    const reachable = async (which: Container): Promise<readonly boolean[]> =>
      Promise.all(
        [0, 1].flatMap((index) =>
          [node.outside.v4[index + 1], node.outside.v6[index + 1]].map((address = "") =>
            which.canReach({ address, port: 443 }),
          ),
        ),
      );
    const hosts = (index: number): Json => [node.outside.v4[index] ?? "", node.outside.v6[index] ?? ""];

    test.each(["batch/nightly", "two words", "übung/日本", "a=b", "..", "x%2Fy"])(
      "rules for the job %j reach it",
      async (job) => {
        await applyRuntimeRules(node, {
          [`namespace/default/job/${encodeSegment(job)}/allow`]: { host: hosts(1), action: "ACCEPT" },
          "namespace/default/job/other/allow": { host: hosts(2), action: "ACCEPT" },
        });
        // host-local takes no argument with a second "=", so only our plugin is given this one.
        const plain = await node.attach({ conflist: { ...conflist, plugins: conflist.plugins.slice(0, -1) } });
        const args = `NOMAD_JOB_ID=${job};NOMAD_NAMESPACE=default;IgnoreUnknown=true`;
        expect(await runOutboundFor(node, plain, { conflist, command: "ADD", args })).toMatchObject({ exitCode: 0 });
        expect(await reachable(plain)).toEqual([true, true, false, false]);
        await runOutboundFor(node, plain, { conflist, command: "DEL" });
        await plain.detach();
      },
    );

    test("a dispatched child has its parent's rules", async () => {
      await applyRuntimeRules(node, {
        "namespace/default/job/batch/allow": { host: hosts(1), action: "ACCEPT" },
        "namespace/default/job/batch=2Fdispatch-1700000000-deadbeef/allow": { host: hosts(2), action: "ACCEPT" },
      });
      const job = (name: string) =>
        node.attach({ conflist, identity: { namespace: "default", job: name, group: "app" } });
      const child = await job("batch/dispatch-1700000000-deadbeef");
      expect(await reachable(child)).toEqual([true, true, true, true]);
      const sibling = await job("batch/dispatch-1700000001-deadbeef");
      expect(await reachable(sibling)).toEqual([true, true, false, false]);
      await Promise.all([child.detach(), sibling.detach()]);
    });

    test("a Nomad that says nothing gives the container the global rules and no others", async () => {
      await applyRuntimeRules(node, {
        "global/allow": { host: hosts(1), action: "ACCEPT" },
        "namespace/default/allow": { host: hosts(2), action: "ACCEPT" },
      });
      const unknown = await node.attach({ conflist, identity: {} });
      expect(await reachable(unknown)).toEqual([true, true, false, false]);
      await unknown.detach();
    });

    test("a job that forges another's name is not attached: it may want no denies of its own", async () => {
      await applyRuntimeRules(node, { "namespace/default/job/web/allow": { host: hosts(1), action: "ACCEPT" } });
      const plain = await node.attach({ conflist: { ...conflist, plugins: conflist.plugins.slice(0, -1) } });
      const args = "NOMAD_NAMESPACE=default;NOMAD_JOB_ID=web;NOMAD_JOB_ID=evil";
      const msg = "Cannot tell whose container it is: CNI_ARGS say NOMAD_JOB_ID twice";
      expect(await runOutboundFor(node, plain, { conflist, command: "ADD", args })).toMatchObject({
        exitCode: 1,
        json: { code: 4, msg },
      });
      await runOutboundFor(node, plain, { conflist, command: "DEL" });
      await plain.detach();
    });

    afterAll(() => applyRuntimeRules(node, {}));
  });

  test.each(versions)("answers CNI %s with prevResult as it came and that version", async (cniVersion) => {
    const prevResult = resultInVersion(cniVersion);
    const run = { conflist: { ...conflist, cniVersion }, containerId: `v-${cniVersion}`, prevResult };
    const rules = await savedRules(node);
    const added = await runOutbound(node, { ...run, command: "ADD" });
    expect(added).toMatchObject({ exitCode: 0, stderr: "" });
    expect(added.json).toEqual({ ...prevResult, cniVersion });
    const main = [...(await chainRules(node, "CNI-OUTBOUND", 4)), ...(await chainRules(node, "CNI-OUTBOUND", 6))].join(
      "\n",
    );
    for (const address of ["10.88.201.1/32", "fd00:88::2011/128"]) expect(main).toContain(`-s ${address} `);
    const checked = await runOutbound(node, { ...run, command: "CHECK" });
    const refusal = { exitCode: 1, json: { code: 1, msg: "config version does not allow CHECK" } };
    expect(checked).toMatchObject(cniVersion < "0.4.0" ? refusal : { exitCode: 0, stdout: "" });
    expect(await runOutbound(node, { ...run, command: "DEL" })).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await savedRules(node)).toBe(rules);
  });

  test("GC removes this network's stale attachments and leaves valid ones, other networks and foreign chains", async () => {
    const of = (name: string) => ({ ...conflist, cniVersion: "1.1.0", name });
    await applyRuntimeRules(node, {});
    const rules = await savedRules(node);
    for (const [name, containerId] of [
      ["gc", "kept"],
      ["gc", "stale-1"],
      ["other", "elsewhere"],
      ["gc", "stale-2"],
    ] as const) {
      const address = `10.88.202.${containerId.length + name.length + containerId.charCodeAt(containerId.length - 1)}`;
      await runOutbound(node, { conflist: of(name), command: "ADD", containerId, prevResult: resultOf(address) });
    }
    const gc = (name: string, valid: readonly string[]) => {
      const list = valid.map((containerID) => ({ containerID, ifname: "eth0" }));
      const config = { "cni.dev/valid-attachments": list, "cni.dev/attachments": list };
      return runOutbound(node, { conflist: of(name), command: "GC", containerId: "", config });
    };
    const present = async () => {
      const saved = await savedRules(node);
      return ["kept", "stale-1", "stale-2"].filter((id) => saved.includes(chainOf(of("gc"), id)));
    };
    expect(await gc("gc", ["kept"])).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await present()).toEqual(["kept"]);
    expect(await savedRules(node)).toContain(chainOf(of("other"), "elsewhere"));
    const absent = await runOutbound(node, { conflist: of("gc"), command: "GC", containerId: "" });
    expect(absent).toMatchObject({
      exitCode: 1,
      json: { code: 7, msg: containing("cni.dev/valid-attachments") },
    });
    expect(await present()).toEqual(["kept"]);
    await gc("gc", []);
    await gc("other", []);
    // The chains of a network's scope stay until the watcher's next pass, for whoever comes next.
    await applyRuntimeRules(node, {});
    expect(await savedRules(node)).toBe(rules);
    expect((await runOutboundFor(node, container, { conflist, command: "CHECK" })).exitCode).toBe(0);
  });

  test("STATUS is good at 1.1.0, and not asked of an older configuration", async () => {
    const status = (cniVersion: string) =>
      runOutbound(node, { conflist: { ...conflist, cniVersion }, command: "STATUS", containerId: "" });
    expect(await status("1.1.0")).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect(await status("1.0.0")).toMatchObject({
      exitCode: 1,
      json: { code: 1, msg: "config version does not allow STATUS" },
    });
  });

  test.each(["ADD", "DEL"] as const)(
    "refuses %s for its own network namespace with code 8, unless told otherwise",
    async (command) => {
      const rules = await savedRules(node);
      const run = { conflist, command, containerId: "own", netns: node.path, prevResult: resultOf("10.88.203.1") };
      const msg = "plugin's netns and netns from CNI_NETNS should not be the same";
      expect(await runOutbound(node, run)).toMatchObject({ exitCode: 1, json: { code: 8, msg } });
      expect(await savedRules(node)).toBe(rules);
      expect(await runOutbound(node, { ...run, env: { CNI_NETNS_OVERRIDE: "TRUE" } })).toMatchObject({ exitCode: 0 });
      await runOutbound(node, { ...run, command: "DEL", env: { CNI_NETNS_OVERRIDE: "1" } });
      expect(await savedRules(node)).toBe(rules);
    },
  );

  describe("the environment", () => {
    const cni = (command: string) =>
      Object.entries({
        CNI_COMMAND: command,
        CNI_CONTAINERID: "bare",
        CNI_NETNS: "/var/run/netns/none",
        CNI_IFNAME: "eth0",
        CNI_PATH: "/usr/lib/cni",
      }).map(([name, value]) => `${name}=${value}`);
    const config = () => {
      const plugin = conflist.plugins.find(({ type }) => type === "outbound");
      return JSON.stringify({ ...plugin, name: "bare", cniVersion: "1.0.0", prevResult: resultOf("10.88.204.1") });
    };

    test("may hold nothing but CNI's own variables", async () => {
      const run = (command: string) =>
        node.exec(["env", "-i", ...cni(command), outboundPath], { input: config(), allowFailure: true });
      expect(await run("ADD")).toMatchObject({ exitCode: 0, stderr: "" });
      const found = await Promise.all(["nft", "legacy"].map((each) => node.exec([`/usr/sbin/iptables-${each}-save`])));
      expect(found.map(({ stdout }) => stdout).join("")).toContain(chainOf({ ...conflist, name: "bare" }, "bare"));
      expect(await run("DEL")).toMatchObject({ exitCode: 0, stderr: "" });
    });

    test("a working directory's .env and bunfig.toml change nothing, nor does the directory itself", async () => {
      const cwd = join(node.directory, "trap");
      await mkdir(cwd, { recursive: true });
      await writeFile(
        join(cwd, ".env"),
        "CNI_COMMAND=VERSION\nCNI_CONTAINERID=trapped\nNODE_OPTIONS=--require=./preload.js\n",
      );
      await writeFile(join(cwd, "bunfig.toml"), 'preload = ["./preload.js"]\n');
      await writeFile(join(cwd, "preload.js"), "process.exit(66);\n");
      await writeFile(join(cwd, "package.json"), "{ not json");
      for (const directory of [cwd, "/", "/proc/self", node.directory]) {
        const again = await runOutboundFor(node, container, { conflist, command: "ADD", cwd: directory });
        expect(again).toMatchObject({ exitCode: 0, json: container.result, stderr: "" });
      }
      const about = await node.exec([outboundPath], { cwd, env: { CNI_COMMAND: undefined } });
      expect(about.stdout).toBe("");
    });

    test("what an agent passes on to Node.js programs, and its locale, change nothing", async () => {
      const env = { NODE_OPTIONS: "--require=/nonexistent.js", LC_ALL: "de_DE.UTF-8", NODE_ENV: "test" };
      const again = await runOutboundFor(node, container, { conflist, command: "ADD", env });
      expect(again).toMatchObject({ exitCode: 0, json: container.result, stderr: "" });
    });
  });

  describe("the errors that libcni's own library would give, in its order", () => {
    const long = "sixteen-letters-";
    test.each([
      [
        "a bad container id before anything missing",
        { CNI_CONTAINERID: "a b", CNI_NETNS: "", CNI_PATH: "" },
        undefined,
        4,
        "invalid characters in containerID",
      ],
      [
        "all that is missing, in one",
        { CNI_CONTAINERID: "", CNI_NETNS: "", CNI_PATH: "" },
        undefined,
        4,
        "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_PATH] missing",
      ],
      ["a long interface name", { CNI_IFNAME: long }, undefined, 4, "interface name is too long"],
      [
        "an interface name with a colon",
        { CNI_IFNAME: "eth0:1" },
        undefined,
        4,
        "interface name contains / or : or whitespace characters",
      ],
      ["an environment before stdin", { CNI_NETNS: "" }, "{", 4, "required env variables [CNI_NETNS] missing"],
      [
        "malformed JSON before an unknown command",
        { CNI_COMMAND: "UPDATE" },
        "{",
        6,
        "error unmarshall network config: ",
      ],
      ["a missing name before an unknown command", { CNI_COMMAND: "UPDATE" }, "{}", 7, "missing network name"],
      [
        "an unknown command",
        { CNI_COMMAND: "UPDATE" },
        '{"name":"n","cniVersion":"9"}',
        4,
        "unknown CNI_COMMAND: UPDATE",
      ],
      [
        "a bad name before a bad version",
        {},
        '{"name":"a/b","cniVersion":"9.9.9"}',
        7,
        "invalid characters found in network name",
      ],
      ["an unknown version", {}, '{"name":"n","cniVersion":"9.9.9"}', 1, "incompatible CNI versions"],
      [
        "a version before the configuration",
        {},
        '{"name":"n","cniVersion":"1.2.0","typo":1}',
        1,
        "incompatible CNI versions",
      ],
    ] as const)("%s", async (_, env, config, code, msg) => {
      const rules = await savedRules(node);
      const run = { conflist, command: "ADD", containerId: "order", prevResult: resultOf("10.88.205.1"), env } as const;
      const outcome = await runOutbound(node, config === undefined ? run : { ...run, config });
      expect(outcome).toMatchObject({ exitCode: 1, stderr: "", json: { code, msg: containing(msg) } });
      expect(await savedRules(node)).toBe(rules);
    });
  });
});

describe("without a container", () => {
  const about = /^CNI outbound plugin v(\d+\.\d+\.\d+\S*)\nCNI protocol versions supported: 0\.1\.0, .*, 1\.1\.0\n$/;

  test.each([
    ["from /dev/null", '"$0" < /dev/null'],
    ["that is closed", '"$0" <&-'],
    ["that stays open", 'f=$(mktemp -u) && mkfifo $f && exec 3<>$f && rm $f && "$0" <&3'],
  ])("tells its version at once, with no arguments, no environment and a stdin %s", async (_, script) => {
    const argv = ["env", "-i", "/bin/sh", "-c", `date +%s%N; ${script}; code=$?; date +%s%N; exit $code`, outboundPath];
    const { exitCode, stdout, stderr } = await runCommand(argv, { timeoutMs: 10_000 });
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(about);
    // Nothing on stdout but the two times.
    expect(stdout).toMatch(/^\d{19}\n\d{19}\n$/);
    const [startedAtNs = 0, endedAtNs = 0] = stdout.split("\n").map(Number);
    expect((endedAtNs - startedAtNs) / 1e6).toBeLessThan(3_000);
  });

  test("the first word that Nomad takes for a version is the package's", async () => {
    const { stderr } = await runCommand(["env", "-i", outboundPath]);
    const found = stderr.split(/\s+/).find((word) => /^v?\d+\.\d+\.\d+/.test(word));
    const manifest = await readFile(join(import.meta.dirname, "..", "..", "package.json"), "utf8");
    expect(manifest).toContain(`"version": "${found?.replace("v", "")}"`);
  });

  test("VERSION needs nothing but its command, and reads no stdin", async () => {
    const { stdout } = await runCommand([
      "env",
      "-i",
      "CNI_COMMAND=VERSION",
      "/bin/sh",
      "-c",
      '"$0" <&-',
      outboundPath,
    ]);
    expect(stdout).toBe(`${JSON.stringify({ cniVersion: "1.1.0", supportedVersions: versions })}\n`);
  });
});

/** A result with other addresses in the container's own interface. */
function withAddresses(result: JsonObject, addresses: readonly string[]): JsonObject {
  const { interfaces } = result;
  const inside = Array.isArray(interfaces)
    ? interfaces.findIndex((each: JsonObject) => (each["sandbox"] ?? "") !== "")
    : 0;
  return { ...result, ips: addresses.map((address) => ({ address, interface: inside })) };
}

/** All that a result of a version may hold, and something that only a later one knows. */
function resultInVersion(cniVersion: string): JsonObject {
  const dns = { nameservers: ["10.88.0.1"], domain: "cluster", search: ["a", "b"], options: ["ndots:2"] };
  const [v4, v6] = ["10.88.201.1/16", "fd00:88::2011/64"];
  const extra = { "x-extra": { nested: [1, null, "\u{1F525}", 1.5] } };
  if (cniVersion < "0.3.0") {
    const routes = [{ dst: "0.0.0.0/0", gw: "10.88.0.1" }];
    return { cniVersion, ip4: { ip: v4, gateway: "10.88.0.1", routes }, ip6: { ip: v6 }, dns, ...extra };
  }
  const version = (each: string): JsonObject => (cniVersion < "1.0.0" ? { version: each } : {});
  return {
    cniVersion,
    interfaces: [
      { name: "cni9", mac: "00:11:22:33:44:55" },
      {
        name: "eth0",
        mac: "00:11:22:33:44:56",
        sandbox: "/var/run/netns/none",
        ...(cniVersion === "1.1.0" && { mtu: 1400 }),
      },
    ],
    ips: [
      { ...version("4"), address: v4, gateway: "10.88.0.1", interface: 1 },
      { ...version("6"), address: v6, interface: 1 },
    ],
    routes: [{ dst: "0.0.0.0/0", gw: "10.88.0.1" }, { dst: "::/0" }],
    dns,
    ...extra,
  };
}
