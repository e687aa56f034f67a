import { consulAcl } from "./consul-acl.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(consulAcl);
