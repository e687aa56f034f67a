import type { Finding } from "../support/campaign.ts";
import type { KvCase } from "../support/kv-cases.ts";

export const KV_CORPUS: readonly Finding<KvCase>[] = [];
