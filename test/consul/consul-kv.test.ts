import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createConsulKv, type ConsulKv } from "../../lib/host/consul-kv.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsul, type Consul, type KvEntry } from "../../lib/host/consul.ts";
import { ensureConsul } from "../setup/consul.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";

const key = "outbound/rules/namespace/a=2Fb/allow";
const { signal } = new AbortController();

let agent: ConsulAgent;
let consul: Consul;
let kv: ConsulKv;

beforeAll(async () => {
  agent = await startConsul({ binary: await ensureConsul(), acl: true });
});

afterAll(() => agent.close());

beforeEach(async () => {
  await agent.delete("outbound/", { recurse: true });
  const settings = parseConsulSettings({ CONSUL_HTTP_ADDR: agent.url, CONSUL_HTTP_TOKEN: agent.token });
  consul = createConsul(settings);
  kv = createConsulKv(settings);
});

afterEach(() => {
  consul.close();
  kv.close();
});

async function read(): Promise<KvEntry | undefined> {
  const { entries } = await consul.readPrefix({ prefix: key, index: 0n, waitSeconds: 0, consistent: true, signal });
  return entries[0];
}

async function indexNow(): Promise<number> {
  return (await read())?.modifyIndex ?? 0;
}

test("a key is created only where there is none", async () => {
  expect(await kv.put({ key, value: "one", modifyIndex: 0, signal })).toBe(true);
  expect(await kv.put({ key, value: "two", modifyIndex: 0, signal })).toBe(false);
  expect(await agent.get(key)).toBe("one");
});

test("a key is written and removed only at the index it was read at", async () => {
  await agent.put(key, "one");
  const modifyIndex = await indexNow();
  await agent.put(key, "two");

  expect(await kv.put({ key, value: "three", modifyIndex, signal })).toBe(false);
  expect(await kv.remove({ key, modifyIndex, signal })).toBe(false);
  expect(await agent.get(key)).toBe("two");

  expect(await kv.put({ key, value: "three", modifyIndex: await indexNow(), signal })).toBe(true);
  expect(await agent.get(key)).toBe("three");
  expect(await kv.remove({ key, modifyIndex: await indexNow(), signal })).toBe(true);
  expect(await agent.get(key)).toBeUndefined();
});

test("a key that was removed and created again is another one", async () => {
  await agent.put(key, "one");
  const modifyIndex = await indexNow();
  await agent.delete(key);
  await agent.put(key, "two");

  expect(await kv.remove({ key, modifyIndex, signal })).toBe(false);
  expect(await agent.get(key)).toBe("two");
});

test("to remove a key that is gone is no failure", async () => {
  await agent.put(key, "one");
  const modifyIndex = await indexNow();
  await agent.delete(key);
  expect(await kv.remove({ key, modifyIndex, signal })).toBe(true);
});

test("of 20 writers at once exactly one wins each round", async () => {
  for (let round = 0; round < 10; round += 1) {
    const modifyIndex = await indexNow();
    const values = Array.from({ length: 20 }, (_, writer) => `${round}/${writer}`);
    const outcomes = await Promise.all(values.map((value) => kv.put({ key, value, modifyIndex, signal })));
    const winners = values.filter((_, writer) => outcomes[writer]);
    expect(winners).toHaveLength(1);
    expect(await agent.get(key)).toBe(winners[0]);
  }
});

test("20 editors who read, change and write until it goes lose nobody's change", async () => {
  const append = async (name: string): Promise<void> => {
    for (;;) {
      const entry = await read();
      const value = `${new TextDecoder().decode(entry?.value)}${name} `;
      if (await kv.put({ key, value, modifyIndex: entry?.modifyIndex ?? 0, signal })) return;
    }
  };
  const names = Array.from({ length: 20 }, (_, editor) => `editor-${editor}`);
  await Promise.all(names.map(append));
  expect((await agent.get(key))?.trim().split(" ").toSorted()).toEqual(names.toSorted());
});

test("a token that may only read is refused to write and to remove", async () => {
  await agent.put(key, "one");
  const token = await agent.createToken('key_prefix "outbound/" { policy = "read" }');
  const reader = createConsulKv(parseConsulSettings({ CONSUL_HTTP_ADDR: agent.url, CONSUL_HTTP_TOKEN: token }));
  const modifyIndex = await indexNow();

  await expect(reader.put({ key, value: "two", modifyIndex, signal })).rejects.toMatchObject({ kind: "forbidden" });
  await expect(reader.remove({ key, modifyIndex, signal })).rejects.toMatchObject({ kind: "forbidden" });
  expect(await agent.get(key)).toBe("one");
  reader.close();
});

test("a value larger than Consul takes is an error, and nothing is written", async () => {
  const value = "x".repeat(512 * 1024 + 1);
  await expect(kv.put({ key, value, modifyIndex: 0, signal })).rejects.toMatchObject({ statusCode: 413 });
  expect(await agent.get(key)).toBeUndefined();
  expect(await kv.put({ key, value: value.slice(1), modifyIndex: 0, signal })).toBe(true);
});
