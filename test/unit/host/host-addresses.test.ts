import { expect, test } from "vitest";
import { readHostAddresses } from "../../../lib/host/host-addresses.ts";
import { parseAddress } from "../../../lib/policy/address.ts";

test("this host's addresses are canonical, the loopback's among them", () => {
  const addresses = [...readHostAddresses()];
  expect(addresses).toContain("127.0.0.1");
  expect(addresses.map((address) => parseAddress(address).address)).toEqual(addresses);
});
