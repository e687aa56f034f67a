import { expect, test } from "vitest";
import { createKeptRules } from "../../../watcher/kept-rules.ts";
import { createMemoryLog } from "../../fakes/log.ts";
import { runtimeRulesOf } from "../policy/fixtures.ts";

test("a disk that stays full is told once, tried again each time, and told when it is well again", () => {
  const log = createMemoryLog();
  let refusal: string | undefined = "no space left on device";
  let tries = 0;
  const kept = createKeptRules({
    log,
    saveRuntimeRules() {
      tries++;
      if (refusal !== undefined) throw new Error(refusal);
    },
  });
  const messages = () => log.lines.map(({ level, message }) => `${level} ${message}`);
  const cannot = "error Cannot keep the runtime rules on disk, a restart would not know them";
  const again = "info The runtime rules are kept on disk again";
  const rules = runtimeRulesOf({});

  kept.keep(rules);
  kept.keep(rules);
  kept.keep(runtimeRulesOf({}));
  expect({ tries, isKept: kept.isKept(), messages: messages() }).toEqual({
    tries: 3,
    isKept: false,
    messages: [cannot],
  });
  refusal = "read-only file system";
  kept.keep(rules);
  expect(messages()).toEqual([cannot, cannot]);
  refusal = undefined;
  kept.keep(rules);
  kept.keep(rules);
  expect({ tries, isKept: kept.isKept(), messages: messages() }).toEqual({
    tries: 5,
    isKept: true,
    messages: [cannot, cannot, again],
  });
  refusal = "no space left on device";
  kept.keep(runtimeRulesOf({}));
  expect(messages()).toEqual([cannot, cannot, again, cannot]);
});
