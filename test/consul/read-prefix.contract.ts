import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { Consul, PrefixAnswer } from "../../lib/host/consul.ts";

/** A KV store that a test can write to and watch, real or not. */
export interface KvUnderTest {
  readonly consul: Pick<Consul, "readPrefix">;
  put(key: string, value: string): Promise<void>;
  remove(key: string): Promise<void>;
  /** Servers that start again from nothing. */
  wipe(): Promise<void>;
  /** Returns what gives the servers back what they have now. */
  saveSnapshot(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

const prefix = "outbound/rules/global/";

/** What the watch depends on. The fake must behave here as Consul does, or its tests say nothing. */
export function describeReadPrefix(name: string, open: () => Promise<KvUnderTest>): void {
  describe(`readPrefix of ${name}`, () => {
    let kv: KvUnderTest;
    beforeEach(async () => {
      if (kv === undefined) kv = await open();
      else await kv.wipe();
    });
    afterAll(() => kv.close());

    function read(index: bigint, { waitSeconds = 30, signal = new AbortController().signal } = {}) {
      return kv.consul.readPrefix({ prefix, index, waitSeconds, consistent: false, signal });
    }

    /** Starts a query that blocks, and gives it time to get there. */
    async function block(answer: PrefixAnswer): Promise<{ answer: Promise<PrefixAnswer>; isOver: () => boolean }> {
      let isOver = false;
      const blocked = read(answer.index ?? 0n).finally(() => (isOver = true));
      await new Promise((resolve) => setTimeout(resolve, 200));
      return { answer: blocked, isOver: () => isOver };
    }

    test("a prefix without keys is empty, has an index that can be blocked on, and is not filtered", async () => {
      const answer = await read(0n);

      expect(answer).toMatchObject({ entries: [], isEmpty: true, isFiltered: false });
      expect(answer.index).toBeGreaterThan(0n);
    });

    test("entries come in the order of their keys, those of other prefixes left out", async () => {
      await kv.put("outbound/rules/global/b", "2");
      await kv.put("outbound/rules/global/a", "");
      await kv.put("outbound/rules/globe", "3");

      const { entries } = await read(0n);

      expect(entries.map(({ key, value }) => [key, new TextDecoder().decode(value)])).toEqual([
        ["outbound/rules/global/a", ""],
        ["outbound/rules/global/b", "2"],
      ]);
      expect(entries[0]?.modifyIndex).toBeGreaterThan(entries[1]?.modifyIndex ?? 0);
    });

    test("a write under the prefix ends a query that blocks, with a higher index", async () => {
      await kv.put("outbound/rules/global/a", "1");
      const before = await read(0n);
      const blocked = await block(before);
      expect(blocked.isOver()).toBe(false);

      await kv.put("outbound/rules/global/a", "2");

      const after = await blocked.answer;
      expect(after.index).toBeGreaterThan(before.index ?? 0n);
      expect(new TextDecoder().decode(after.entries[0]?.value)).toBe("2");
    });

    test("a write to a prefix without keys ends a query that blocks on it", async () => {
      const blocked = await block(await read(0n));

      await kv.put("outbound/rules/global/a", "1");
      // Writes elsewhere may have ended it before.
      const first = await blocked.answer;
      const after = first.isEmpty ? await read(first.index ?? 0n) : first;

      expect(after.entries).toHaveLength(1);
    });

    test("writes elsewhere leave a query on a prefix with keys blocked", async () => {
      await kv.put("outbound/rules/global/a", "1");
      const blocked = await block(await read(0n));

      await kv.put("outbound/rules/node/n1/x", "1");
      await kv.put("elsewhere", "1");
      await kv.put("outbound/rules/globe", "1");
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(blocked.isOver()).toBe(false);

      await kv.put("outbound/rules/global/a", "2");
      await blocked.answer;
    });

    test("a write of the same bytes changes nothing", async () => {
      await kv.put("outbound/rules/global/a", "1");
      const before = await read(0n);

      await kv.put("outbound/rules/global/a", "1");

      expect(await read(0n)).toEqual(before);
    });

    test("the last key's removal ends a query that blocks, with no entries and a higher index", async () => {
      await kv.put("outbound/rules/global/a", "1");
      const before = await read(0n);
      const blocked = await block(before);

      await kv.remove("outbound/rules/global/a");

      const after = await blocked.answer;
      expect(after.isEmpty).toBe(true);
      expect(after.index).toBeGreaterThan(before.index ?? 0n);
    });

    test("a wait that ends gives what is there, with the same index", async () => {
      await kv.put("outbound/rules/global/a", "1");
      const before = await read(0n);

      expect(await read(before.index ?? 0n, { waitSeconds: 1 })).toEqual(before);
    });

    test("servers that start again from nothing count from a lower index", async () => {
      for (let write = 0; write < 50; write += 1) {
        await kv.put("outbound/rules/global/a", String(write));
      }
      const before = await read(0n);

      await kv.wipe();

      const after = await read(0n);
      expect(after.isEmpty).toBe(true);
      expect(after.index).toBeLessThan(before.index ?? 0n);
    });

    test("a snapshot that is restored ends a query that blocks, with what was there before and at the same index", async () => {
      await kv.put("outbound/rules/global/a", "saved");
      const restore = await kv.saveSnapshot();
      await kv.put("outbound/rules/global/a", "lost");
      const before = await read(0n);
      const blocked = await block(before);

      await restore();

      expect(await blocked.answer).toEqual(before);
      const after = await read(0n);
      expect(new TextDecoder().decode(after.entries[0]?.value)).toBe("saved");
      expect(after.index).toBeLessThan(before.index ?? 0n);
    });

    test("an abort ends a query that blocks", async () => {
      const abort = new AbortController();
      const { index } = await read(0n);
      const blocked = read(index ?? 0n, { signal: abort.signal });
      setTimeout(() => abort.abort(new Error("no longer needed")), 100);

      await expect(blocked).rejects.toThrow("no longer needed");
    });
  });
}
