import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseOwnJson } from "../json.ts";
import type { AgentCommand, AgentReply, AgentRequest, AgentResults } from "./messages.ts";

export interface AgentProcess {
  /** The answer to one command; throws what the agent throws, or where it ends before it answers. */
  ask<Kind extends AgentCommand["kind"]>(command: AgentCommand & { readonly kind: Kind }): Promise<AgentResults[Kind]>;
  close(): Promise<void>;
}

/** Starts an agent in a network namespace. */
export function startAgent(namespace: string): AgentProcess {
  const script = join(import.meta.dirname, "agent.ts");
  const child = spawn("ip", ["netns", "exec", namespace, process.execPath, script], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const exited = once(child, "exit");
  /** What to do with the line that answers each request; undefined: there will be none. */
  const waiting = new Map<number, (line: string | undefined) => void>();
  let nextId = 0;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id } = parseOwnJson<AgentReply>(line);
    waiting.get(id)?.(line);
    waiting.delete(id);
  });
  child.on("exit", () => {
    for (const settle of waiting.values()) settle(undefined);
    waiting.clear();
  });
  child.stdin.on("error", () => {});
  return {
    ask<Kind extends AgentCommand["kind"]>(command: AgentCommand & { readonly kind: Kind }) {
      const request: AgentRequest = { id: nextId++, command };
      return new Promise<AgentResults[Kind]>((resolve, reject) => {
        const fail = (why: string) => reject(new Error(`Cannot ${command.kind} in ${namespace}: ${why}`));
        if (child.exitCode !== null || child.signalCode !== null) return fail("its agent has ended");
        waiting.set(request.id, (line) => {
          if (line === undefined) return fail("its agent ended");
          const reply = parseOwnJson<AgentReply<AgentResults[Kind]>>(line);
          if ("error" in reply) fail(reply.error);
          else resolve(reply.result);
        });
        child.stdin.write(`${JSON.stringify(request)}\n`);
      });
    },
    async close() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
