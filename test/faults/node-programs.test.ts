import { nodePrograms } from "./node-programs.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(nodePrograms);
