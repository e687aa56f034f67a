import { nodeClock } from "./node-clock.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(nodeClock);
