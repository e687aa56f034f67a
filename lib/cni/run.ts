import { add } from "./add.ts";
import { check } from "./check.ts";
import { del } from "./del.ts";
import { openConfigured } from "./describe-attachment.ts";
import type { Environment } from "./environment.ts";
import { CNI_ERROR, CniError, formatError } from "./errors.ts";
import { gc } from "./gc.ts";
import type { RecordedVerb } from "./plugin-run.ts";
import type { PluginHost } from "./ports.ts";
import { parseRequest, type ContainerRequest, type Request } from "./request.ts";
import { status } from "./status.ts";
import { parseTeardownConfig } from "./teardown-config.ts";
import { aboutText, versionReport } from "./version.ts";

/** What one run of the plugin prints and ends with. */
export interface PluginOutcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface PluginInput {
  readonly env: Environment;
  readonly readStdin: () => string;
  readonly version: string;
  /** Told of an ADD or DEL before anything is done about it. */
  readonly onRun?: (run: StartedRun) => void;
}

export interface StartedRun {
  readonly verb: RecordedVerb;
  /** As far as the configuration says, which may be wrong otherwise. */
  readonly stateDir: string;
}

/** One run of the plugin, from its environment and stdin to its output. Never throws. */
export async function runPlugin(input: PluginInput, host: PluginHost): Promise<PluginOutcome> {
  let cniVersion: string | undefined;
  try {
    const request = parseRequest(input);
    if ("cniVersion" in request) cniVersion = request.cniVersion;
    if (request.kind === "about") return { stdout: "", stderr: aboutText(input.version), exitCode: 0 };
    if (request.kind === "ADD" || request.kind === "DEL") {
      input.onRun?.({ verb: request.kind, stateDir: parseTeardownConfig(request.config).stateDir });
    }
    return { stdout: await answer(request, host), stderr: "", exitCode: 0 };
  } catch (error) {
    return { stdout: formatError(asCniError(error), cniVersion), stderr: "", exitCode: 1 };
  }
}

async function answer(request: Exclude<Request, { kind: "about" }>, host: PluginHost): Promise<string> {
  switch (request.kind) {
    case "version":
      return versionReport();
    case "ADD": {
      refuseOwnNetns(request, host);
      return add(request, openConfigured(request, host.open));
    }
    case "CHECK":
      await check(request, openConfigured(request, host.open));
      return "";
    case "DEL":
      await del(request, host.open(parseTeardownConfig(request.config)));
      refuseOwnNetns(request, host);
      return "";
    case "GC":
      await gc(request, host.open(parseTeardownConfig(request.config)));
      return "";
    case "STATUS":
      await status(openConfigured(request, host.open).ports);
      return "";
  }
}

/** The reference library checks this after ADD too, when the result is out already; before it, nothing is done yet. */
function refuseOwnNetns({ netns, netnsOverride }: ContainerRequest, host: PluginHost): void {
  if (netns === "" || netnsOverride || !host.isOwnNetns(netns)) return;
  throw new CniError("plugin's netns and netns from CNI_NETNS should not be the same", {
    code: CNI_ERROR.invalidNetns,
  });
}

/** The codes of what the host's ports throw: a busy lock or a refusing kernel is worth another try, a full disk is I/O. */
function asCniError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CniError) return error;
  const { message, cause } = error;
  if (error.name === "LockTimeoutError" || error.name === "IptablesError") {
    return new CniError(message, { code: CNI_ERROR.tryAgainLater, cause });
  }
  if (cause instanceof Error && "syscall" in cause) return new CniError(message, { code: CNI_ERROR.ioFailure, cause });
  return error;
}
