import { nodeDisk } from "./node-disk.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(nodeDisk);
