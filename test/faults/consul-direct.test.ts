import { consulDirect } from "./consul-direct.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(consulDirect);
