import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../setup/packages.ts";
import { type Browser, startBrowser, type Tab, type TabOptions } from "../support/browser.ts";
import { exampleConflist } from "../support/cni/conflist.ts";
import type { Container } from "../support/container.ts";
import { logFromAllNamespaces } from "../support/namespace-logs.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import { conflistOf, type RunningNode, startRunningNode } from "./running-node.ts";

/** Longer than the page's own interval. */
const RENEWED_MS = 15_000;
/** The contract's 30 s for a watcher to notice that Consul is back, and then the page. */
const CAUGHT_UP_MS = 45_000;
/** No value of CNI_ARGS has an equals sign. */
const HOSTILE = "<script>document.body.remove()</script>";
const VIEWS: readonly TabOptions[] = [
  { scheme: "light" },
  { scheme: "dark" },
  { scheme: "light", width: 360, height: 740 },
  { scheme: "dark", width: 360, height: 740 },
  { scheme: "light", hasScripts: false },
];

let running: RunningNode;
let second: ClientNode;
let watcher: Watcher;
let container: Container;
let browser: Browser;
/** What ends what was begun, the last first. */
const closers: (() => unknown)[] = [];

/** A node with what a page has to show, and a second one that tells of itself to the same Consul. */
beforeAll(async () => {
  await ensurePackages({ docker: false, browser: true });
  closers.push(logFromAllNamespaces());
  running = await startRunningNode({ backend: "nft" });
  closers.push(() => running.close());
  second = await createNode({ backend: "nft", name: "n2" });
  closers.push(() => second.close());
  const { node, consul, outside } = running;
  watcher = await startWatcher(node);
  await startWatcher(second, { env: { CONSUL_HTTP_ADDR: consul.unixUrl } });
  const { v4, v6 } = node.outside;
  const outboundRules = [{ host: [v4[0], v6[0]], proto: "tcp", port: 80, action: "ACCEPT", comment: HOSTILE }];
  const conflist = exampleConflist(node, { portmap: false, outbound: { logDenied: true, outboundRules } });
  container = await node.attach({ conflist });
  const identity = { region: "global", namespace: "default", job: HOSTILE, group: "שלום" };
  await node.attach({ conflist, identity });
  await second.attach({ conflist: conflistOf(second) });
  await watcher.waitForLine("In sync with Consul");
  await running.put("namespace/default/job/web/db", [{ host: outside[4], proto: "tcp", port: 1000, action: "ACCEPT" }]);
  await running.put("global/bad", '{"host": "10.0.0.1", "port": 70000, "proto": "tcp", "action": "DROP"}');
  await watcher.waitForLine("Rejected a rule set, nothing of it is in force");
  browser = await startBrowser({ namespace: node.namespace });
  closers.push(() => browser.close());
}, 900_000);

afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

function open(path: string, options: TabOptions = {}): Promise<Tab> {
  return browser.open(`http://127.0.0.1:9710${path}`, options);
}

/** All that a person can read of it, one space between words. */
async function words(tab: Tab): Promise<string> {
  return (await tab.evaluate<string>("document.body.innerText")).replaceAll(/\s+/g, " ");
}

/** Waits until the page reads so, by itself. */
async function untilReads(tab: Tab, pattern: RegExp, timeoutMs = RENEWED_MS): Promise<void> {
  let last = "";
  const look = async (): Promise<boolean> => pattern.test((last = await words(tab)));
  await waitUntil(look, { what: `the page to read ${pattern}`, timeoutMs }).catch((cause: unknown) => {
    throw new Error(`Cannot go on: the page does not read ${pattern}: ${last}`, { cause });
  });
}

/** The counter of the row that has this text. */
function packets(tab: Tab, row: string): Promise<number> {
  const find = `[...document.querySelectorAll("tr")].find((row) => row.innerText.includes(${JSON.stringify(row)}))`;
  return tab.evaluate<number>(`Number(${find}.querySelector("td.number").innerText.replaceAll(",", ""))`);
}

const paths = (): readonly string[] => ["/", `/attachments/${container.containerId}`, "/cluster"];

test("the page of a node moves with packets: the counter of the default action, and what was denied lately", async () => {
  const tab = await open("/");
  const before = await packets(tab, "default/web/app");
  const denied = { address: running.outside[4], port: 1010, timeoutMs: 200 };
  await container.connect(denied);
  await untilReads(tab, new RegExp(`tcp ${denied.address}:1010 default/web/app ${container.containerId.slice(0, 8)}`));
  await waitUntil(async () => (await packets(tab, "default/web/app")) > before, {
    what: "the counter of the default action to move",
    timeoutMs: RENEWED_MS,
  });
  expect(tab.problems()).toEqual([]);
  await tab.close();
});

test("the page of an allocation counts what a rule from KV lets through, and shows a change of rules", async () => {
  const tab = await open(`/attachments/${container.containerId}`);
  const row = "KV namespace/default/job/web/db[0]";
  const before = await packets(tab, row);
  expect(await container.connect({ address: running.outside[4], port: 1000, timeoutMs: 2_000 })).toBe("open");
  await waitUntil(async () => (await packets(tab, row)) > before, {
    what: "its counter to move",
    timeoutMs: RENEWED_MS,
  });
  await running.put("global/more", { host: "203.0.113.7", action: "REJECT" });
  await untilReads(tab, /REJECT all to 203\.0\.113\.7 KV global\/more\[0\]/);
  expect(tab.problems()).toEqual([]);
  await tab.close();
});

test("a value that is refused is shown with its error and the place of that", async () => {
  const tab = await open("/");
  const text = await words(tab);
  expect(text).toContain("In sync, but 1 key in KV is not in force");
  expect(text).toMatch(/global\/bad version \d+ line 1, column 30: \$\.port: .*70000 is out of range.* nothing of it/);
  await tab.close();
});

test("the cluster's page has both nodes, and which of them is behind or refuses something", async () => {
  const tab = await open("/cluster");
  await untilReads(tab, /n1 yes 0 1 2 \S+ n2 yes 0 1 1 \S+ Rule sets/);
  await untilReads(tab, /global\/bad .* REJECTED 0\/2/);
  expect(tab.problems()).toEqual([]);
  await tab.close();
});

test("no page tells a browser anything wrong, runs what others wrote, or is wider than its window", async () => {
  for (const path of paths()) {
    for (const view of VIEWS) {
      const tab = await open(path, view);
      const { width = 1280 } = view;
      const title = await tab.evaluate<string>("document.title");
      const shownWidth = await tab.evaluate<number>("document.documentElement.scrollWidth");
      expect({ path, view, shownWidth }).toEqual({ path, view, shownWidth: width });
      expect(title).toMatch(/ · outbound$/);
      expect({ path, view, problems: tab.problems() }).toEqual({ path, view, problems: [] });
      await tab.close();
    }
  }
});

test("the policy of a page lets no script run that is in the page", async () => {
  const tab = await open("/");
  const run =
    "const s = document.createElement('script'); s.text = 'document.title = `owned`'; document.body.append(s); document.title";
  expect(await tab.evaluate<string>(run)).not.toBe("owned");
  await waitUntil(() => tab.problems().some((each) => each.includes("Content Security Policy")), {
    what: "the violation",
  });
  await tab.close();
});

test("without scripts the page is whole, and says how it is renewed", async () => {
  const [plain, live] = [await open("/", { hasScripts: false }), await open("/")];
  const main = "document.getElementById('main').innerText.replaceAll(/[0-9]+[smh]? (?:ago)?/g, '').split('As of')[0]";
  expect((await plain.evaluate<string>(main)).slice(0, 200)).toBe((await live.evaluate<string>(main)).slice(0, 200));
  expect(await words(plain)).toContain("Load the page again for new numbers");
  expect(await words(plain)).not.toContain("Pause");
  expect(await words(live)).toContain("Live Pause");
  await plain.close();
  await live.close();
});

describe("by keyboard", () => {
  const focused = (tab: Tab) => tab.evaluate<string>("document.activeElement.textContent.trim()");

  test("the first stop leads past the navigation, and each one after it can be seen", async () => {
    const tab = await open("/");
    await tab.press("Tab");
    expect(await focused(tab)).toBe("Skip to content");
    const box = "JSON.stringify(document.activeElement.getBoundingClientRect())";
    expect(
      await tab.evaluate<boolean>(
        `(() => { const { top, left } = JSON.parse(${box}); return top >= 0 && left >= 0; })()`,
      ),
    ).toBe(true);
    const stops: string[] = [];
    const outline =
      "(({ outlineStyle, outlineWidth }) => outlineStyle + outlineWidth)(getComputedStyle(document.activeElement))";
    for (;;) {
      await tab.press("Tab");
      // Behind the last one the browser's own buttons would follow.
      if (await tab.evaluate<boolean>("document.activeElement === document.body")) break;
      stops.push(await focused(tab));
      expect(await tab.evaluate<string>(outline)).toBe("solid3px");
    }
    expect(stops.slice(0, 3)).toEqual(["This node", "Cluster", "Pause"]);
    expect(stops).toContain(container.containerId.slice(0, 8));
    await tab.close();
  });

  test("the link past the navigation goes to the content, and Enter follows a link", async () => {
    const tab = await open("/");
    await tab.press("Tab");
    await tab.press("Enter");
    expect(await tab.evaluate<string>("document.activeElement.id")).toBe("main");
    await tab.press("Shift+Tab");
    await tab.press("Shift+Tab");
    expect(await focused(tab)).toBe("Cluster");
    await tab.press("Enter");
    await waitUntil(async () => (await tab.evaluate<string>("location.pathname")) === "/cluster", {
      what: "the cluster's page",
    });
    await tab.close();
  });

  test("who is on a link stays there while the page is renewed, and a pause holds it", async () => {
    const tab = await open("/");
    const link = `document.querySelector('#attachments ~ table a')`;
    await tab.evaluate<null>(`${link}.focus(), null`);
    const here = await focused(tab);
    const asOf = "document.querySelector('.as-of').innerText";
    const first = await tab.evaluate<string>(asOf);
    await waitUntil(async () => (await tab.evaluate<string>(asOf)) !== first, {
      what: "the page to be renewed",
      timeoutMs: RENEWED_MS,
    });
    expect(await focused(tab)).toBe(here);
    await tab.evaluate<null>("document.getElementById('live-pause').click(), null");
    expect(await words(tab)).toContain("Paused Resume");
    const held = await tab.evaluate<string>(asOf);
    await tab.evaluate<null>("new Promise((resolve) => setTimeout(() => resolve(null), 6000))");
    expect(await tab.evaluate<string>(asOf)).toBe(held);
    await tab.close();
  });
});

test("a watcher that does not answer is told of, and one that answers again takes its place", async () => {
  const tab = await open("/");
  await watcher.stop();
  await untilReads(tab, /The watcher does not answer: this page is as old as it says/);
  watcher = await startWatcher(running.node);
  await watcher.waitForLine("In sync with Consul");
  await untilReads(tab, /Live Pause/);
  expect(await words(tab)).not.toContain("does not answer");
  await tab.close();
});

test("a node that is cut off from Consul says so on its page, and the cluster's page that it is old", async () => {
  const cluster = await open("/cluster");
  await untilReads(cluster, /n2 yes/);
  const tab = await open("/");
  await running.consul.stop();
  await untilReads(tab, /Not in sync: the last good rules stay in force/);
  await cluster.show();
  await untilReads(cluster, /Consul cannot be asked .* What follows is what it said .* n2 yes/);
  // It has forgotten all rules: what nodes have of them goes.
  await running.consul.start();
  await untilReads(cluster, /Cluster Every node is in sync/, CAUGHT_UP_MS);
  await tab.show();
  await untilReads(tab, /Node n1 In sync/, CAUGHT_UP_MS);
  expect(await words(tab)).not.toContain("Not in sync");
  await tab.close();
  await cluster.close();
});

test("a page that nobody sees does not ask, and is renewed as soon as it is seen", async () => {
  const tab = await open("/");
  const asOf = "document.querySelector('.as-of').innerText";
  const other = await open("/cluster");
  await waitUntil(() => tab.evaluate<boolean>("document.hidden"), { what: "the page to be hidden" });
  const before = await tab.evaluate<string>(asOf);
  await untilReads(other, /Every node/);
  await other.evaluate<null>("new Promise((resolve) => setTimeout(() => resolve(null), 7000))");
  expect(await tab.evaluate<string>(asOf)).toBe(before);
  await tab.show();
  await waitUntil(async () => (await tab.evaluate<string>(asOf)) !== before, {
    what: "it to be renewed",
    timeoutMs: 3_000,
  });
  await other.close();
  await tab.close();
});
