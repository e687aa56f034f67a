import { describe, expect, test } from "vitest";
import { mainChainIssue } from "../../../lib/cni/chain-name.ts";

describe("mainChainIssue", () => {
  test.each([
    "CNI-OUTBOUND",
    "CNI-OUTBOUND-",
    "CNI-OUTER",
    "CNI-OUTWARD-WALL",
    "CNI-OUTPUT",
    "x",
    "_.a-",
    ".hidden",
    "EGRESS_2",
    "input",
    "CNI-FORWARD-2",
    "twenty-eight-characters-long",
  ])("lets the main chain be called %s", (name) => {
    expect(mainChainIssue(name)).toBeUndefined();
  });

  test.each([
    ["", "is empty"],
    ["twenty-nine-characters-long--", "has 29 characters, expected 1-28"],
    ["-j", "other characters"],
    ["a b", "other characters"],
    ["a\n", "other characters"],
    ["a;b", "other characters"],
    ["ä", "other characters"],
    ["!a", "other characters"],
    ["INPUT", "netfilter's own"],
    ["FORWARD", "netfilter's own"],
    ["OUTPUT", "netfilter's own"],
    ["PREROUTING", "netfilter's own"],
    ["POSTROUTING", "netfilter's own"],
    ["ACCEPT", "netfilter's own"],
    ["DROP", "netfilter's own"],
    ["REJECT", "netfilter's own"],
    ["RETURN", "netfilter's own"],
    ["QUEUE", "netfilter's own"],
    ["LOG", "netfilter's own"],
    ["MARK", "netfilter's own"],
    ["CNI-FORWARD", "another program"],
    ["CNI-ADMIN", "another program"],
    ["CNI-HOSTPORT-DNAT", "another program"],
    ["CNI-ISOLATION-STAGE-1", "another program"],
    ["DOCKER", "another program"],
    ["DOCKER-USER", "another program"],
    ["NOMAD-ADMIN", "another program"],
    ["CNI-OUT-30991e10f11da05c4612", "has the form of"],
    ["CNI-OUT-", "has the form of"],
    ["CNI-OUTST-1", "has the form of"],
    ["CNI-OUTDS-1", "has the form of"],
    ["CNI-OUTAS-1", "has the form of"],
    ["CNI-OUTDR-1", "has the form of"],
    ["CNI-OUTAR-1", "has the form of"],
    ["CNI-OUTER-WALL", "has the form of"],
  ])("does not let it be called %j", (name, reason) => {
    expect(mainChainIssue(name)).toContain(reason);
  });
});
