import { consulLeader } from "./consul-leader.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(consulLeader);
