import { existsSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { createNamespace } from "../support/namespace.ts";
import { waitUntil } from "../support/wait.ts";

test("a closed namespace leaves nothing that a killed program had started", async () => {
  const namespace = await createNamespace("test");
  onTestFinished(() => namespace.close());
  await namespace.start(["sh", "-c", "sleep 1000 & sleep 1000"]);
  const pids = await waitUntil(
    async () => {
      const { stdout } = await runCommand(["ip", "netns", "pids", namespace.namespace]);
      const found = stdout.split("\n").filter((pid) => pid !== "");
      return found.length === 3 && found;
    },
    { what: "the shell and both of its programs to run" },
  );
  await namespace.close();
  await waitUntil(() => pids.every((pid) => !existsSync(`/proc/${pid}`)), { what: "all three to be gone" });
  expect(existsSync(namespace.path)).toBe(false);
});
