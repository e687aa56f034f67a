import { kills } from "./kills.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(kills);
