import { describe, expect, test } from "vitest";
import { findMadeChains } from "../../../lib/netfilter/made-chains.ts";

const options = { builtIn: ["FORWARD", "INPUT"], mainChains: ["CNI-OUTBOUND", "OTHER-OUT"] };

interface ChainOptions {
  readonly name: string;
  readonly handle: number;
  readonly policy?: string;
  readonly priority?: string;
}

/** As `nft -a list table ip filter` prints it. */
function listingOf(chains: readonly ChainOptions[]): string {
  const parts = chains.map(({ name, handle, policy, priority = "filter" }) => {
    const type = policy === undefined ? [] : [`\t\ttype filter hook input priority ${priority}; policy ${policy};`];
    return [`\tchain ${name} { # handle ${handle}`, ...type, '\t\tcounter comment "chain X { # handle 1"', "\t}"].join(
      "\n",
    );
  });
  return ["table ip filter { # handle 3", parts.join("\n\n"), "}", ""].join("\n");
}

describe("a built-in chain", () => {
  const main = { name: "CNI-OUTBOUND", handle: 12 };
  const newer = { name: "INPUT", handle: 40, policy: "accept" };

  test("was made for our jump where it is newer than our oldest main chain", () => {
    const older = { name: "FORWARD", handle: 1, policy: "accept" };
    const listing = listingOf([older, { name: "OTHER-OUT", handle: 90 }, main, newer]);
    expect(findMadeChains(listing, options)).toEqual(["INPUT"]);
  });

  test.each([
    ["was there before", [{ ...newer, handle: 11 }, main]],
    ["decides something by its policy", [main, { ...newer, policy: "drop" }]],
    ["hangs where iptables would not put it", [main, { ...newer, priority: "filter + 10" }]],
    ["is no base chain", [main, { name: "INPUT", handle: 40 }]],
    ["cannot be told apart, as there is no main chain", [newer]],
  ])("was not where it %s", (_, chains) => {
    expect(findMadeChains(listingOf(chains), options)).toEqual([]);
  });

  test("of which nothing is listed was not", () => {
    expect(findMadeChains("", options)).toEqual([]);
  });
});
