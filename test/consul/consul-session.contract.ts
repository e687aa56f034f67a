import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ConsulSessions } from "../../lib/host/consul-session.ts";

export interface SessionsUnderTest {
  readonly sessions: ConsulSessions;
  /** As people do, with no session. */
  put(key: string, value: string): Promise<void>;
  remove(key: string): Promise<void>;
  close(): Promise<void>;
}

/** What the status key depends on. The fake must behave here as Consul does, or its tests say nothing. */
export function describeSessions(name: string, open: () => Promise<SessionsUnderTest>): void {
  describe(`sessions of ${name}`, () => {
    let opened: SessionsUnderTest;
    let sessions: ConsulSessions;
    let keys = 0;
    const { signal } = new AbortController();
    beforeAll(async () => {
      opened = await open();
      ({ sessions } = opened);
    });
    afterAll(() => opened.close());

    const newKey = (): string => `outbound/status/n${(keys += 1)}`;
    const create = (): Promise<string> => sessions.create({ name: "test", ttlSeconds: 60, signal });

    test("a key that is acquired has the value, and the session's id", async () => {
      const [key, session] = [newKey(), await create()];
      expect(await sessions.read({ key, signal })).toBeUndefined();

      expect(await sessions.acquire({ key, value: "é 1", session, signal })).toBe(true);

      expect(await sessions.read({ key, signal })).toEqual({ value: "é 1", session });
    });

    test("a key of one's own is written again", async () => {
      const [key, session] = [newKey(), await create()];
      await sessions.acquire({ key, value: "1", session, signal });

      expect(await sessions.acquire({ key, value: "2", session, signal })).toBe(true);

      expect(await sessions.read({ key, signal })).toEqual({ value: "2", session });
    });

    test("another session's key is not acquired, and stays as it is", async () => {
      const [key, session, other] = [newKey(), await create(), await create()];
      await sessions.acquire({ key, value: "1", session, signal });

      expect(await sessions.acquire({ key, value: "2", session: other, signal })).toBe(false);

      expect(await sessions.read({ key, signal })).toEqual({ value: "1", session });
    });

    test("a session that is destroyed takes its key with it, and the next one acquires it at once", async () => {
      const [key, session, other] = [newKey(), await create(), await create()];
      await sessions.acquire({ key, value: "1", session, signal });

      await sessions.destroy({ session, signal });

      expect(await sessions.read({ key, signal })).toBeUndefined();
      expect(await sessions.acquire({ key, value: "2", session: other, signal })).toBe(true);
    });

    test("a key that nobody's session holds is acquired over its value", async () => {
      const [key, session] = [newKey(), await create()];
      await opened.put(key, "by hand");
      expect(await sessions.read({ key, signal })).toEqual({ value: "by hand" });

      expect(await sessions.acquire({ key, value: "1", session, signal })).toBe(true);

      expect(await sessions.read({ key, signal })).toEqual({ value: "1", session });
    });

    test("a key that is overwritten by hand stays the session's, and one deleted by hand is acquired again", async () => {
      const [key, session] = [newKey(), await create()];
      await sessions.acquire({ key, value: "1", session, signal });

      await opened.put(key, "by hand");
      expect(await sessions.read({ key, signal })).toEqual({ value: "by hand", session });
      await opened.remove(key);
      expect(await sessions.read({ key, signal })).toBeUndefined();

      expect(await sessions.acquire({ key, value: "2", session, signal })).toBe(true);
    });

    test("a session is renewed while it lasts, destroyed as often as one likes, and acquires nothing afterwards", async () => {
      const [key, session] = [newKey(), await create()];
      expect(await sessions.renew({ session, signal })).toBe(true);

      await sessions.destroy({ session, signal });
      await sessions.destroy({ session, signal });

      expect(await sessions.renew({ session, signal })).toBe(false);
      await expect(sessions.acquire({ key, value: "1", session, signal })).rejects.toThrow("invalid session");
    });

    test("a request whose signal has aborted is not made", async () => {
      const stop = new AbortController();
      stop.abort(new Error("no longer needed"));

      await expect(sessions.create({ name: "test", ttlSeconds: 60, signal: stop.signal })).rejects.toThrow(
        "no longer needed",
      );
    });
  });
}
