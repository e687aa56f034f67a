import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { z } from "zod";
import { CHROMIUM } from "../setup/packages.ts";
import { parseOwnJson, type Json, type JsonObject } from "./json.ts";

/** Debian's chromium without a screen, driven by its DevTools protocol over a pipe: no port, and no other program. */
export interface Browser {
  open(url: string, options?: TabOptions): Promise<Tab>;
  close(): Promise<void>;
}

export interface TabOptions {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
  /** Whether the page's own scripts run; what the test evaluates always does. */
  readonly hasScripts?: boolean;
}

export interface Tab {
  /** The value of an expression in the page. */
  evaluate<T extends Json>(expression: string): Promise<T>;
  /** A key as a person presses it: `Tab`, `Enter`, `Shift+Tab`. */
  press(key: "Tab" | "Shift+Tab" | "Enter"): Promise<void>;
  /** Puts it before the other tabs, which are hidden then. */
  show(): Promise<void>;
  /** Errors and warnings on the console, exceptions, violations of the policy, and requests that failed. */
  problems(): readonly string[];
  /** Looks at the page as it looks; the whole of it where `isWhole`. Writes a PNG. */
  screenshot(file: string, options?: { readonly isWhole?: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** Starts it inside a network namespace. It dies with the test process. */
export async function startBrowser({ namespace }: { readonly namespace: string }): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "cni-outbound-browser-"));
  const flags = [
    "--headless",
    // Its sandbox does not run as root; what it shows is our own page.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
    `--user-data-dir=${profile}`,
  ];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "ip", "netns", "exec", namespace, CHROMIUM, ...flags], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: profile },
  });
  const exited = once(child, "exit");
  const [, , , input, output] = child.stdio;
  if (!input || !output || !("write" in input)) throw new Error("Cannot start chromium: it has no pipe");
  const send = connect(input, output);
  return {
    open: (url, options = {}) => openTab(url, { ...options, send }),
    async close() {
      await Promise.race([send("Browser.close", {}), exited]);
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

type Send = (method: string, params: JsonObject, session?: SessionOptions) => Promise<JsonObject>;

interface SessionOptions {
  readonly sessionId: string;
  /** Called with every event of the session from now on. */
  readonly onEvent?: (method: string, params: JsonObject) => void;
}

const messageSchema = z.object({
  id: z.number().optional(),
  sessionId: z.string().optional(),
  method: z.string().optional(),
  params: z.record(z.string(), z.json()).optional(),
  result: z.record(z.string(), z.json()).optional(),
  error: z.object({ message: z.string() }).optional(),
});

/** Messages are JSON with a zero byte behind each. */
function connect(input: Writable, output: NodeJS.EventEmitter): Send {
  const waiting = new Map<number, PromiseWithResolvers<JsonObject>>();
  const listeners = new Map<string, NonNullable<SessionOptions["onEvent"]>>();
  let lastId = 0;
  let rest = Buffer.alloc(0);
  output.on("data", (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    for (let end = rest.indexOf(0); end !== -1; end = rest.indexOf(0)) {
      take(rest.toString("utf8", 0, end));
      rest = rest.subarray(end + 1);
    }
  });
  output.on("close", () => {
    for (const each of waiting.values()) each.reject(new Error("Cannot go on: chromium has ended"));
  });

  return async (method, params, session) => {
    if (session?.onEvent) listeners.set(session.sessionId, session.onEvent);
    lastId += 1;
    const answer = Promise.withResolvers<JsonObject>();
    waiting.set(lastId, answer);
    const sessionId = session && { sessionId: session.sessionId };
    input.write(`${JSON.stringify({ id: lastId, method, params, ...sessionId })}\0`);
    return answer.promise;
  };

  function take(text: string): void {
    const { id, sessionId = "", method, params = {}, result = {}, error } = messageSchema.parse(parseOwnJson(text));
    if (method !== undefined) listeners.get(sessionId)?.(method, params);
    if (id === undefined) return;
    if (error) waiting.get(id)?.reject(new Error(`Cannot drive chromium: ${error.message}`));
    else waiting.get(id)?.resolve(result);
    waiting.delete(id);
  }
}

const KEYS = {
  Tab: { key: "Tab", code: "Tab", windowsVirtualKeyCode: 9, modifiers: 0 },
  "Shift+Tab": { key: "Tab", code: "Tab", windowsVirtualKeyCode: 9, modifiers: 8 },
  Enter: { key: "Enter", code: "Enter", windowsVirtualKeyCode: 13, text: "\r", modifiers: 0 },
} as const;

async function openTab(url: string, { send, ...options }: TabOptions & { readonly send: Send }): Promise<Tab> {
  const { width = 1280, height = 800, scheme = "light", hasScripts = true } = options;
  const { targetId } = z
    .object({ targetId: z.string() })
    .parse(await send("Target.createTarget", { url: "about:blank" }));
  const attached = await send("Target.attachToTarget", { targetId, flatten: true });
  const { sessionId } = z.object({ sessionId: z.string() }).parse(attached);
  const problems: string[] = [];
  let loaded = Promise.withResolvers<void>();
  const onEvent = (method: string, params: JsonObject): void => {
    if (method === "Page.loadEventFired") loaded.resolve();
    const problem = problemIn(method, params);
    if (problem !== undefined) problems.push(problem);
  };
  const call = (method: string, params: JsonObject = {}) => send(method, params, { sessionId, onEvent });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await call(`${domain}.enable`);
  await call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  await call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  await call("Emulation.setScriptExecutionDisabled", { value: !hasScripts });
  loaded = Promise.withResolvers<void>();
  await call("Page.navigate", { url });
  await loaded.promise;
  return {
    async evaluate(expression) {
      const answer = await call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
      const { result, exceptionDetails } = evaluatedSchema.parse(answer);
      if (exceptionDetails) throw new Error(`Cannot evaluate ${expression}: ${exceptionDetails.text}`);
      return parseOwnJson(JSON.stringify(result.value ?? null));
    },
    async press(key) {
      await call("Input.dispatchKeyEvent", { type: "keyDown", ...KEYS[key] });
      await call("Input.dispatchKeyEvent", { type: "keyUp", ...KEYS[key] });
    },
    async show() {
      await call("Page.bringToFront");
    },
    problems: () => problems,
    async screenshot(file, { isWhole = false } = {}) {
      const answer = await call("Page.captureScreenshot", { format: "png", captureBeyondViewport: isWhole });
      await writeFile(file, Buffer.from(z.object({ data: z.string() }).parse(answer).data, "base64"));
    },
    async close() {
      await send("Target.closeTarget", { targetId });
    },
  };
}

const evaluatedSchema = z.object({
  result: z.object({ value: z.json().optional() }),
  exceptionDetails: z.object({ text: z.string() }).optional(),
});

const entrySchema = z.object({ entry: z.object({ level: z.string(), text: z.string(), url: z.string().optional() }) });

function problemIn(method: string, params: JsonObject): string | undefined {
  if (method === "Runtime.exceptionThrown" || method === "Network.loadingFailed") return JSON.stringify(params);
  if (method === "Runtime.consoleAPICalled") return JSON.stringify(params["args"] ?? null);
  if (method !== "Log.entryAdded") return undefined;
  const { level, text, url = "" } = entrySchema.parse(params).entry;
  return level === "error" || level === "warning" ? `${text} ${url}`.trim() : undefined;
}
