import * as z from "zod";
import type { ReadyAnswer } from "./watcher.ts";

const answerSchema = z.object({
  inSync: z.boolean(),
  attachments: z.number(),
  prefixes: z.array(z.object({ prefix: z.string(), problem: z.string().optional() })),
  problems: z.array(z.string()).default([]),
});

/** @throws Error that goes after the address */
export function parseReadyAnswer(body: string): ReadyAnswer {
  const { inSync, attachments, prefixes, problems } = parse(body);
  const ofPrefixes = prefixes.flatMap(({ problem }) => problem ?? []);
  return { inSync, attachments, problems: [...new Set([...problems, ...ofPrefixes])] };
}

function parse(body: string): z.infer<typeof answerSchema> {
  try {
    return answerSchema.parse(JSON.parse(body));
  } catch (cause) {
    throw new Error("is not answered by a watcher", { cause });
  }
}
