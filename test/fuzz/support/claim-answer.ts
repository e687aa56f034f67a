import * as z from "zod";
import { isJsonObject } from "../../../lib/cni/json-object.ts";
import type { PluginOutcome } from "../../../lib/cni/run.ts";
import { claim, claimSame } from "./claim.ts";
import type { PluginRequest } from "./plugin-cases.ts";

/** The specification's own, and those from 100 on, which are a plugin's. */
const SPEC_CODES = [1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51];
const errorSchema = z.strictObject({
  cniVersion: z.string().optional(),
  code: z.int().refine((code) => SPEC_CODES.includes(code) || code >= 100),
  msg: z.string().min(1),
  details: z.string().optional(),
});

/** One result, or one error of the specification's; never silence where something failed. */
export function claimAnswer({ env }: PluginRequest, { stdout, stderr, exitCode }: PluginOutcome): void {
  const command = env["CNI_COMMAND"] ?? "";
  claim(stdout.length < 4_000_000, "an answer has an end", stdout.length);
  if (exitCode !== 0) {
    const error = errorSchema.safeParse(JSON.parse(stdout));
    claim(error.success, "a failure is one error of CNI's on stdout", stdout);
    claim(stdout.length < 32_768, "an error is short", stdout.length);
  } else if (command === "") claim(stdout === "" && stderr.startsWith("CNI outbound plugin v"), "about goes to stderr");
  else if (command === "ADD" || command === "VERSION") claim(isJsonObject(JSON.parse(stdout)), "a result is an object");
  else claimSame(stdout, "", `${command} says nothing`);
  if (command !== "") claim(stderr.split("\n").every(isLogLine), "stderr has the lines of our log alone", stderr);
}

function isLogLine(line: string): boolean {
  return line === "" || isJsonObject(JSON.parse(line));
}
