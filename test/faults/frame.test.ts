import { expect, onTestFinished, test } from "vitest";
import { acceptTo, families, startRunningNode, untilVerdict } from "../e2e/running-node.ts";
import { createRandom } from "../support/random.ts";
import { judgeGoverned } from "./support/judge.ts";
import { startWorld } from "./support/world.ts";

const strict = { lostBoundMs: 0, leakBoundMs: 0 };

test("the frame sees one packet too many, one too few, and rules that change on their own", async () => {
  const world = await startWorld(await startRunningNode({ backend: "nft" }), createRandom(1));
  onTestFinished(() => world.close());
  const { running, flows } = world;
  const { node } = running;

  const untilBoth = async (port: number, verdict: "open" | "timeout") => {
    for (const family of families) {
      await untilVerdict(world.container, { address: running.outside[family], port }, verdict);
    }
  };

  await flows.begin();
  await world.holds(300);
  expect((await flows.judge(strict)).problems).toEqual([]);

  await flows.begin();
  await running.put("global/too-much", acceptTo(running, 1019));
  await untilBoth(1019, "open");
  await world.holds(300);
  await running.remove("global/too-much");
  await untilBoth(1019, "timeout");
  const leaked = (await flows.judge(strict)).problems.join("\n");
  for (const family of families) expect(leaked).toMatch(new RegExp(`never IPv${family}: \\d+ packets arrived`));
  expect(leaked).toMatch(/never IPv4 new tcp: not closed/);

  await flows.begin();
  await node.exec(["iptables", "-I", "FORWARD", "-p", "udp", "-j", "DROP"]);
  await world.holds(100);
  await node.exec(["iptables", "-D", "FORWARD", "-p", "udp", "-j", "DROP"]);
  const lost = (await flows.judge(strict)).problems.join("\n");
  expect(lost).toMatch(/always IPv4 established udp: \d+ attempts not open/);
  expect(lost).toMatch(/governed IPv4 established udp: not open/);
  expect(lost).not.toMatch(/IPv6|tcp/);

  await flows.begin();
  await world.write("closed");
  await untilBoth(1000, "timeout");
  await world.holds(300);
  expect((await flows.judge(strict)).problems.join("\n")).toMatch(/governed IPv6 new udp: not open/);
});

test("a connection that the second SYN made does not tell when the flow was open", () => {
  const stream = {
    flow: "governed",
    family: 4,
    protocol: "tcp",
    kind: "new",
    address: "",
    port: 0,
    everyMs: 50,
  } as const;
  const judge = (firstAnsweredMs: number) =>
    judgeGoverned(
      { stream, sentAtMs: [50, 100, 1_200], answeredAtMs: [firstAnsweredMs, undefined, 1_201] },
      { fromMs: 0, toMs: 1_300 },
      [{ state: "open", fromMs: 0, byMs: 1_150 }],
    );
  expect(judge(1_060)).toEqual([]);
  expect(judge(60)).toEqual([expect.stringContaining("having been so before")]);
});
