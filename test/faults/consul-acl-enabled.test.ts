import { consulAclEnabled } from "./consul-acl-enabled.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(consulAclEnabled);
