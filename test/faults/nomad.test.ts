import { nomad } from "./nomad.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(nomad);
