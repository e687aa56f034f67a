import { nodeRules } from "./node-rules.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(nodeRules);
