import { describe, expect, test } from "vitest";
import { areReached, planAnchors, renderMainJump, type MainChain } from "../../../lib/netfilter/anchors.ts";
import { FIREWALL_PLUGIN, tableOf, targetsOf } from "./fixtures.ts";

const MAIN = "CNI-OUTBOUND";
const main: MainChain = { name: MAIN, isInInput: false };
const guarding: MainChain = { name: MAIN, isInInput: true };
const JUMP = renderMainJump(MAIN, 4).text;
const declared = [`:${MAIN} - [0:0]`, ":DOCKER-USER - [0:0]"];
const docker = "-I FORWARD 1 -j DOCKER-USER";

/** The targets in the chains that packets come through first, after one plan; a second one must be empty. */
async function anchored(mains: readonly MainChain[], ...lines: readonly string[]) {
  const table = await tableOf(...declared, ...lines);
  await table.apply(...planAnchors(mains, { actual: await table.read(), family: 4 }));
  const actual = await table.read();
  expect(planAnchors(mains, { actual, family: 4 })).toEqual([]);
  expect(areReached(mains, { actual, family: 4 })).toBe(true);
  return {
    forward: targetsOf(actual, "FORWARD"),
    firewall: targetsOf(actual, "CNI-FORWARD"),
    input: targetsOf(actual, "INPUT"),
  };
}

describe("planAnchors", () => {
  test("puts the jump after the admin chain and before every accept of the firewall plugin", async () => {
    expect(await anchored([main], ...FIREWALL_PLUGIN)).toEqual({
      forward: ["CNI-FORWARD"],
      firewall: ["CNI-ADMIN", MAIN, "ACCEPT", "ACCEPT"],
      input: [],
    });
  });

  test("puts it at the top of FORWARD where there is no firewall plugin", async () => {
    const accept = "-A FORWARD -s 10.0.0.0/8 -j ACCEPT";
    expect(await anchored([main], accept)).toEqual({ forward: [MAIN, "ACCEPT"], firewall: undefined, input: [] });
  });

  test("puts it first in the firewall plugin's chain where that has no admin chain", async () => {
    const [, firewall = "", jump = "", , ...accepts] = FIREWALL_PLUGIN;
    const { forward, firewall: found } = await anchored([main], firewall, jump, ...accepts);
    expect({ forward, found }).toEqual({ forward: ["CNI-FORWARD"], found: [MAIN, "ACCEPT", "ACCEPT"] });
  });

  test.each([
    ["accepts", JUMP.replace(MAIN, "ACCEPT")],
    ["has a condition", `-s 10.0.0.0/8 ${JUMP}`],
  ])("puts one in front of a jump of ours that somebody changed so that it %s", async (_, changed) => {
    const { forward } = await anchored([main], `-A FORWARD ${changed}`);
    expect(forward?.[0]).toBe(MAIN);
    expect(forward).toHaveLength(2);
  });

  test.each([
    ["an empty chain with a name like ours", "-g CNI-OUT-0123456789abcdef0123"],
    ["its own main chain", `-g ${MAIN}`],
    ["its own main chain with its own comment", JUMP.replace("-j", "-g")],
    ["an isolation chain of the firewall plugin", "-g CNI-ISOLATION-STAGE-1"],
  ])("comes before a goto, which no packet comes back from, to %s", async (_, goto) => {
    const chains = [":CNI-OUT-0123456789abcdef0123 - [0:0]", ":CNI-ISOLATION-STAGE-1 - [0:0]"];
    const { forward } = await anchored([main], ...FIREWALL_PLUGIN, ...chains, `-I FORWARD 1 ${goto}`);
    expect(forward?.[0]).toBe(MAIN);
    const last = await anchored([main], ...chains, `-I FORWARD 1 ${goto}`, `-A FORWARD ${JUMP}`);
    expect(last.forward?.[0]).toBe(MAIN);
  });

  test("comes before the jump to the admin chain where somebody made it a goto", async () => {
    const gone = FIREWALL_PLUGIN.map((line) => line.replace("-j CNI-ADMIN", "-g CNI-ADMIN"));
    const { firewall } = await anchored([main], ...gone, `-A CNI-FORWARD ${JUMP}`);
    expect(firewall).toEqual([MAIN, "CNI-ADMIN", "ACCEPT", "ACCEPT"]);
  });

  test.each(["ACCEPT", "RETURN"])(
    "comes before the jump to the admin chain where somebody made it %s",
    async (target) => {
      const changed = FIREWALL_PLUGIN.map((line) => line.replace("-j CNI-ADMIN", `-j ${target}`));
      const { firewall } = await anchored([main], ...changed, `-I CNI-FORWARD 2 ${JUMP}`);
      expect(firewall).toEqual([MAIN, target, "ACCEPT", "ACCEPT"]);
    },
  );

  test("comes before a jump to a chain that only has a name like ours", async () => {
    const chain = "CNI-OUT-0123456789abcdef0123";
    const rules = [`:${chain} - [0:0]`, `-A ${chain} -j ACCEPT`, `-A FORWARD -j ${chain}`, `-A FORWARD ${JUMP}`];
    const { forward } = await anchored([main], ...rules);
    expect(forward).toEqual([MAIN, chain]);
  });

  test("comes before an accept whose comment reads like an option", async () => {
    const { forward } = await anchored([main], "-A FORWARD -m comment --comment --comment -j ACCEPT");
    expect(forward).toEqual([MAIN, "ACCEPT"]);
  });

  test("guards FORWARD too where something that could accept comes before the firewall plugin's chain", async () => {
    expect(await anchored([main], ...FIREWALL_PLUGIN, docker)).toMatchObject({
      forward: [MAIN, "DOCKER-USER", "CNI-FORWARD"],
      firewall: ["CNI-ADMIN", MAIN, "ACCEPT", "ACCEPT"],
    });
  });

  test("takes the jump out of FORWARD again when nothing comes before the firewall plugin's chain any more", async () => {
    const table = await tableOf(...declared, ...FIREWALL_PLUGIN, docker);
    await table.apply(...planAnchors([main], { actual: await table.read(), family: 4 }));
    await table.apply("-D FORWARD -j DOCKER-USER");
    await table.apply(...planAnchors([main], { actual: await table.read(), family: 4 }));
    expect(targetsOf(await table.read(), "FORWARD")).toEqual(["CNI-FORWARD"]);
  });

  test.each([
    ["a drop", "-I FORWARD 1 -s 10.0.0.0/8 -j DROP"],
    ["a rejection", "-I FORWARD 1 -j REJECT"],
    ["a log line", '-I FORWARD 1 -j LOG --log-prefix "x "'],
    ["a rule that only counts", "-I FORWARD 1 -p tcp"],
    ["an isolation chain of the firewall plugin", "-I FORWARD 1 -j CNI-ISOLATION-STAGE-1"],
  ])("lets %s stand before the firewall plugin's chain", async (_, rule) => {
    const { forward } = await anchored([main], ...FIREWALL_PLUGIN, ":CNI-ISOLATION-STAGE-1 - [0:0]", rule);
    expect(forward).not.toContain(MAIN);
  });

  test.each([
    ["an accept", "-I FORWARD 1 -s 10.0.0.0/8 -j ACCEPT"],
    ["a return", "-I FORWARD 1 -j RETURN"],
    ["a chain of others", docker],
    ["a comment that looks like ours", '-I FORWARD 1 -m comment --comment "x -j DROP" -j ACCEPT'],
  ])("does not let %s stand before the firewall plugin's chain", async (_, rule) => {
    const { forward } = await anchored([main], ...FIREWALL_PLUGIN, rule);
    expect(forward?.[0]).toBe(MAIN);
  });

  test("guards FORWARD where only some packets reach the firewall plugin's chain", async () => {
    const rules = FIREWALL_PLUGIN.filter((line) => !line.startsWith("-A FORWARD"));
    expect(await anchored([main], ...rules)).toMatchObject({ forward: [MAIN] });
    expect(await anchored([main], ...rules, "-A FORWARD -i eth0 -j CNI-FORWARD")).toMatchObject({
      forward: [MAIN, "CNI-FORWARD"],
    });
  });

  test("makes one jump of several", async () => {
    const copies = [`-A FORWARD ${JUMP}`, `-A FORWARD ${JUMP}`, `-A CNI-FORWARD ${JUMP}`, `-I CNI-FORWARD 1 ${JUMP}`];
    expect(await anchored([main], ...FIREWALL_PLUGIN, ...copies)).toEqual({
      forward: ["CNI-FORWARD"],
      firewall: ["CNI-ADMIN", MAIN, "ACCEPT", "ACCEPT"],
      input: [],
    });
  });

  test("moves a jump that an accept has come before", async () => {
    const { firewall } = await anchored([main], ...FIREWALL_PLUGIN, `-A CNI-FORWARD ${JUMP}`);
    expect(firewall).toEqual(["CNI-ADMIN", MAIN, "ACCEPT", "ACCEPT"]);
  });

  test("leaves a jump that stands before the admin chain where it is", async () => {
    const table = await tableOf(...declared, ...FIREWALL_PLUGIN, `-I CNI-FORWARD 1 ${JUMP}`);
    expect(planAnchors([main], { actual: await table.read(), family: 4 })).toEqual([]);
  });

  test("does not take a bare jump of somebody else's for ours", async () => {
    const { forward } = await anchored([main], `-A FORWARD -s 10.0.0.0/8 -j ${MAIN}`, `-A FORWARD -j ${MAIN}`);
    expect(forward).toEqual([MAIN, MAIN, MAIN]);
  });

  test("puts the jump into INPUT for those that filter traffic to the host, and takes it out again", async () => {
    const accept = "-A INPUT -i lo -j ACCEPT";
    expect((await anchored([guarding], accept)).input).toEqual([MAIN, "ACCEPT"]);
    expect((await anchored([main], accept, `-A INPUT ${JUMP}`)).input).toEqual(["ACCEPT"]);
    expect((await anchored([guarding], accept, `-A INPUT ${JUMP}`)).input).toEqual([MAIN, "ACCEPT"]);
  });

  test("serves several main chains, each once, in any order", async () => {
    const other = { name: "EGRESS", isInInput: true };
    const { firewall, input } = await anchored([main, other], ":EGRESS - [0:0]", ...FIREWALL_PLUGIN);
    expect(firewall?.slice(0, 1)).toEqual(["CNI-ADMIN"]);
    expect(firewall?.slice(1, 3).toSorted()).toEqual([MAIN, "EGRESS"]);
    expect(input).toEqual(["EGRESS"]);
  });

  test("adds a second main chain beside the first without an interruption of either", async () => {
    const other = { name: "EGRESS", isInInput: false };
    const { forward } = await anchored([main, other], ":EGRESS - [0:0]", `-A FORWARD ${JUMP}`, "-A FORWARD -j ACCEPT");
    expect(forward).toHaveLength(3);
    expect(forward?.at(-1)).toBe("ACCEPT");
  });

  test("wants nothing in a table that cannot be read", () => {
    expect(planAnchors([guarding], { actual: new Map(), family: 4 })).toEqual([]);
  });
});

describe("areReached", () => {
  const isReached = async (mains: readonly MainChain[], ...lines: readonly string[]) =>
    areReached(mains, { actual: await (await tableOf(...declared, ...lines)).read(), family: 4 });

  test("is content with a jump that stands twice, or once more than needed: nothing gets past it", async () => {
    const doubled = [`-I FORWARD 1 ${JUMP}`, `-A FORWARD ${JUMP}`, `-A INPUT ${JUMP}`, `-A INPUT ${JUMP}`];
    expect(await isReached([guarding], ...FIREWALL_PLUGIN, ...doubled)).toBe(true);
  });

  test.each([
    ["is missing", []],
    ["stands after the firewall plugin's accepts", [`-A CNI-FORWARD ${JUMP}`]],
    ["stands after another accept in FORWARD", [`-A FORWARD -j ACCEPT`, `-A FORWARD ${JUMP}`]],
    ["stands in a chain that nothing leads to first", [docker, `-I CNI-FORWARD 1 ${JUMP}`]],
    ["stands under a condition", [`-I FORWARD 1 -s 10.0.0.0/8 ${JUMP}`]],
  ])("is not where the jump %s", async (_, lines) => {
    expect(await isReached([main], ...FIREWALL_PLUGIN, ...lines)).toBe(false);
  });

  test("is not where traffic to the host goes past a chain that filters it", async () => {
    expect(await isReached([guarding], `-I FORWARD 1 ${JUMP}`)).toBe(false);
    expect(await isReached([guarding], `-I FORWARD 1 ${JUMP}`, "-A INPUT -j ACCEPT", `-A INPUT ${JUMP}`)).toBe(false);
    expect(await isReached([main], `-I FORWARD 1 ${JUMP}`)).toBe(true);
  });
});
