import { consulAclEnabled } from "./consul-acl-enabled.ts";
import { consulAcl } from "./consul-acl.ts";
import { consulAnswers } from "./consul-answers.ts";
import { consulDirect } from "./consul-direct.ts";
import { consulLeader } from "./consul-leader.ts";
import { kills } from "./kills.ts";
import { nodeChurn } from "./node-churn.ts";
import { nodeClock } from "./node-clock.ts";
import { nodeDisk } from "./node-disk.ts";
import { nodePrograms } from "./node-programs.ts";
import { nodeRules } from "./node-rules.ts";
import { nomad } from "./nomad.ts";
import type { ListedGroup } from "./support/account.ts";

/** Every scenario that there is: the account has a line for each. */
export const groups: readonly ListedGroup[] = [
  consulDirect,
  consulAnswers,
  consulAcl,
  consulAclEnabled,
  consulLeader,
  nodeRules,
  nodeDisk,
  nodePrograms,
  nodeClock,
  nodeChurn,
  kills,
  nomad,
];
