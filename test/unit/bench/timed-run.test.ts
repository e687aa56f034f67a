import { describe, expect, it } from "vitest";
import { timeRun } from "../../bench/timed-run.ts";

describe("timeRun", () => {
  it("takes as long as the program does", async () => {
    expect(await timeRun({ argv: ["/bin/sleep", "0.05"], env: {} })).toBeGreaterThanOrEqual(50);
  });

  it("gives the program its input and nothing but its environment", async () => {
    const script = 'read -r line && test "$line" = given && test "$GIVEN" = yes && test -z "$HOME"';
    const run = timeRun({ argv: ["/bin/sh", "-c", script], input: "given\n", env: { GIVEN: "yes" } });
    await expect(run).resolves.toBeGreaterThan(0);
  });

  it("measures nothing where the program fails, and says what it said", async () => {
    const argv = ["/bin/sh", "-c", "echo no such chain; exit 3"] as const;
    await expect(timeRun({ argv: [...argv], env: {} })).rejects.toThrow("it ended with 3: no such chain");
  });

  it("measures nothing where the program cannot start", async () => {
    await expect(timeRun({ argv: ["/nowhere/program"], env: {} })).rejects.toThrow("ENOENT");
  });
});
