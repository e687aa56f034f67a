import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { CommandOutcome } from "../command.ts";
import { type Json, type JsonObject, parseOwnJson } from "../json.ts";
import type { ClientNode } from "../network-namespace.ts";

export type CniCommand = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** One execution of a plugin. A variable left out is not set; `config` goes to stdin, a string as it is. */
export interface PluginRun {
  /** Absent: CNI_COMMAND is not set, as when Nomad asks for the version. */
  readonly command?: CniCommand;
  readonly config?: JsonObject | string;
  readonly containerId?: string;
  readonly netns?: string;
  readonly ifname?: string;
  readonly args?: string;
  /** Anything else, or other values than those above. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Kills the plugin with SIGKILL: exit code 137. */
  readonly killSignal?: AbortSignal;
  /** Default 60,000. */
  readonly timeoutMs?: number;
}

export interface PluginOutcome extends CommandOutcome {
  /** What stdout holds, where it is JSON. */
  readonly json?: Json;
}

/** Runs a plugin by its type inside the node's network namespace. Never throws for what the plugin itself does. */
export async function runPlugin(node: ClientNode, type: string, run: PluginRun): Promise<PluginOutcome> {
  const outcome = await node.exec([findPlugin(node, type)], {
    input: typeof run.config === "string" ? run.config : JSON.stringify(run.config ?? ""),
    allowFailure: true,
    env: {
      CNI_COMMAND: run.command,
      CNI_CONTAINERID: run.containerId,
      CNI_NETNS: run.netns,
      CNI_IFNAME: run.ifname,
      CNI_ARGS: run.args,
      CNI_PATH: node.pluginDirs.join(":"),
      ...run.env,
    },
    ...(run.killSignal && { killSignal: run.killSignal }),
    ...(run.timeoutMs !== undefined && { timeoutMs: run.timeoutMs }),
  });
  const json = parseJson(outcome.stdout);
  return json === undefined ? outcome : { ...outcome, json };
}

function findPlugin(node: ClientNode, type: string): string {
  const path = node.pluginDirs.map((directory) => join(directory, type)).find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`Cannot find plugin: no ${type} in ${node.pluginDirs.join(", ")}`);
  return path;
}

function parseJson(text: string): Json | undefined {
  try {
    return parseOwnJson(text);
  } catch {
    return undefined;
  }
}

const errorSchema = z.looseObject({ code: z.number(), msg: z.string(), details: z.string().optional() });

/** The spec's error object, as a plugin prints it on stdout. */
export type CniError = z.infer<typeof errorSchema>;

/** A plugin that exited with an error; its message is worded as libcni words it. */
export class CniFailure extends Error {
  override readonly name = "CniFailure";
  readonly plugin: string;
  readonly command: CniCommand;
  readonly outcome: PluginOutcome;
  /** Absent where stdout was no error object. */
  readonly error?: CniError;

  constructor(plugin: string, command: CniCommand, outcome: PluginOutcome) {
    const parsed = errorSchema.safeParse(outcome.json);
    super(`plugin type="${plugin}" failed (${command.toLowerCase()}): ${describe(parsed.data, outcome)}`);
    this.plugin = plugin;
    this.command = command;
    this.outcome = outcome;
    if (parsed.success) this.error = parsed.data;
  }
}

function describe(error: CniError | undefined, { exitCode, stdout, stderr }: PluginOutcome): string {
  if (error !== undefined) return error.details ? `${error.msg}; ${error.details}` : error.msg;
  if (stdout === "" && stderr === "") return `netplugin failed with no error message: exit status ${exitCode}`;
  return `netplugin failed: ${JSON.stringify(stdout === "" ? stderr : stdout)}`;
}
