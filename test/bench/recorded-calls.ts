import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Variant } from "../support/variant.ts";
import { timeRun } from "./timed-run.ts";

/** One call of an iptables program, as it was really made. */
export interface RecordedCall {
  /** Wall clock. */
  readonly startedAtMs: number;
  readonly program: string;
  readonly args: readonly string[];
  readonly input: string;
  readonly exitCode: number;
}

export interface Recorder {
  /** First in PATH, it has every call of iptables-restore and iptables-save recorded, in both families. */
  readonly path: string;
  /** All calls since the last time, in the order in which they began. */
  readonly take: () => Promise<readonly RecordedCall[]>;
}

const programs = ["iptables-restore", "iptables-save", "ip6tables-restore", "ip6tables-save"];

export async function createRecorder(directory: string, variant: Variant): Promise<Recorder> {
  const path = join(directory, "bin");
  const calls = join(directory, "calls");
  await Promise.all([path, calls].map((each) => mkdir(each, { recursive: true })));
  const script = [
    "#!/bin/sh",
    'name="${0##*/}"',
    `call="${calls}/$(/bin/date +%s%N)-$$"`,
    '/bin/cat > "$call.in"',
    `${multi(variant)} "$name" "$@" < "$call.in"`,
    "status=$?",
    'printf "%s\\n" "$status" "$name" "$@" > "$call.done"',
    "exit $status",
    "",
  ].join("\n");
  await Promise.all(programs.map((program) => writeFile(join(path, program), script, { mode: 0o755 })));
  return {
    path,
    async take() {
      const names = (await readdir(calls)).filter((name) => name.endsWith(".done")).map((name) => name.slice(0, -5));
      const taken = await Promise.all(names.toSorted().map((name) => readCall(join(calls, name))));
      await rm(calls, { recursive: true });
      await mkdir(calls);
      return taken;
    },
  };
}

/** Those that changed a table. */
export function changesIn(calls: readonly RecordedCall[]): readonly RecordedCall[] {
  return calls.filter(
    ({ program, input, exitCode }) => program.endsWith("-restore") && exitCode === 0 && /^-[AIDFX] /m.test(input),
  );
}

/** Of each family the last. */
export function lastOfEachFamily(calls: readonly RecordedCall[]): readonly RecordedCall[] {
  const last = families.flatMap((family) => calls.findLast(({ program }) => program.startsWith(family)) ?? []);
  if (last.length < families.length) {
    throw new Error(`Cannot replay: ${JSON.stringify(calls)} does not hold a call for each family`);
  }
  return last;
}

/** Makes recorded calls again, the two families side by side, each in order; returns the milliseconds that it took. */
export async function replay(calls: readonly RecordedCall[], variant: Variant): Promise<number> {
  const startedAtMs = performance.now();
  await Promise.all(
    families.map(async (family) => {
      for (const { program, args, input } of calls.filter((call) => call.program.startsWith(family))) {
        await timeRun({ argv: [multi(variant), program, ...args], input, env: { LC_ALL: "C" } });
      }
    }),
  );
  return performance.now() - startedAtMs;
}

const families = ["iptables", "ip6tables"];

function multi(variant: Variant): string {
  return `/usr/sbin/xtables-${variant}-multi`;
}

async function readCall(path: string): Promise<RecordedCall> {
  const [exitCode, program = "", ...args] = (await readFile(`${path}.done`, "utf8")).split("\n").slice(0, -1);
  const [nanoseconds] = (path.split("/").at(-1) ?? "").split("-");
  return {
    startedAtMs: Number(nanoseconds) / 1e6,
    program,
    args,
    input: await readFile(`${path}.in`, "utf8"),
    exitCode: Number(exitCode),
  };
}
