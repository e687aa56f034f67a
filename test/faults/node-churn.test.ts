import { nodeChurn } from "./node-churn.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(nodeChurn);
