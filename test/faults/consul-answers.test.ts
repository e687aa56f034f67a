import { consulAnswers } from "./consul-answers.ts";
import { testGroup } from "./support/scenario.ts";

testGroup(consulAnswers);
