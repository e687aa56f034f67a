import { BlockList, isIP } from "node:net";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cidrContains, formatCidr, parseAddress, parseCidr } from "../../../lib/policy/address.ts";
import { cidrs } from "./arbitraries.ts";

describe("parseCidr", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1/32"],
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["0.0.0.0", "0.0.0.0/32"],
    ["255.255.255.255/32", "255.255.255.255/32"],
    ["10.128.0.0/9", "10.128.0.0/9"],
    ["::/0", "::/0"],
    ["::", "::/128"],
    ["::1", "::1/128"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1/128"],
    ["0:0:1:1:0:0:1:1", "::1:1:0:0:1:1/128"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7/128"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3/128"],
    ["fe80::/10", "fe80::/10"],
    ["::fffe:0:0/96", "::fffe:0:0/96"],
    ["64:ff9b::/96", "64:ff9b::/96"],
  ])("reads %s as %s", (text, canonical) => {
    expect(formatCidr(parseCidr(text))).toBe(canonical);
  });

  test("knows the family, the network address and the prefix length", () => {
    expect(parseCidr("10.0.0.0/8")).toEqual({ family: 4, address: "10.0.0.0", prefix: 8 });
    expect(parseCidr("2001:DB8::1")).toEqual({ family: 6, address: "2001:db8::1", prefix: 128 });
  });

  test.each([
    ["010.0.0.1", /leading zero in "010", which some programs read as octal/],
    ["10.0.0.01", /leading zero/],
    ["00.0.0.0", /leading zero/],
    ["10.0.0.00/8", /leading zero/],
    ["10.1", /has 2 of 4 parts/],
    ["167772161", /has 1 of 4 parts/],
    ["1.2.3.4.5", /has 5 of 4 parts/],
    ["0x0a.0.0.1", /"0x0a" in "0x0a.0.0.1" is not decimal/],
    ["0x7f000001", /1 of 4 parts/],
    ["10..0.1", /"" in "10..0.1" is not decimal/],
    ["256.0.0.1", /256 in "256.0.0.1" is out of range/],
    ["10.0.0.1000", /out of range/],
    ["1.2.3.4 ", /spaces around it/],
    [" 1.2.3.4", /is not decimal|spaces/],
    ["1.2.3.4\n", /spaces around it/],
    ["+1.2.3.4", /is not decimal/],
    ["١.2.3.4", /is not decimal/],
    ["10.0.0.1,10.0.0.x", /JSON list/],
    ["", /the address is empty/],
    ["/8", /the address is empty/],
  ])("refuses %j as IPv4 and says why", (text, reason) => {
    expect(() => parseCidr(text)).toThrow(reason);
    expect(() => parseCidr(text)).toThrow(/^Cannot parse address: .*, expected /);
  });

  test.each(["db.example.com", "localhost", "10.example.com", "*", "any", "10.0.0.1a", "e"])(
    "says of %s that names are not addresses",
    (text) => {
      expect(() => parseCidr(text)).toThrow(
        new Error(
          `Cannot parse address: names are not addresses: found "${text}", expected an IPv4 or IPv6 address or CIDR`,
        ),
      );
    },
  );

  test.each([
    ["fe80::1%eth0", /zone id/],
    ["fe80::%1/10", /zone id/],
    ["::1.2.3.4", /is not IPv6/],
    ["64:ff9b::1.2.3.4", /is not IPv6/],
    ["1::2::3", /is not IPv6/],
    ["12345::", /is not IPv6/],
    [":::", /is not IPv6/],
    [":", /is not IPv6/],
    ["::g", /is not IPv6/],
    ["[::1]", /is not IPv6/],
    [" ::1", /is not IPv6/],
    ["1:2:3:4:5:6:7:8:9", /is not IPv6/],
    ["1:2:3", /is not IPv6/],
  ])("refuses %j as IPv6 and says why", (text, reason) => {
    expect(() => parseCidr(text)).toThrow(reason);
  });

  test.each([
    ["::ffff:1.2.3.4", "write 1.2.3.4"],
    ["::FFFF:1.2.3.4", "write 1.2.3.4"],
    ["::ffff:102:304", "write 1.2.3.4"],
    ["0:0:0:0:0:ffff:0102:0304/128", "write 1.2.3.4"],
    ["::ffff:a00:0/104", "write 10.0.0.0/8"],
    ["::ffff:0:0/96", "write 0.0.0.0/0"],
  ])("refuses %s, which is IPv4 mapped into IPv6, and says what to write", (text, fix) => {
    expect(() => parseCidr(text)).toThrow(new RegExp(`mapped into IPv6: ${fix}$`));
  });

  test.each([
    ["10.1.2.3/8", "write 10.0.0.0/8 or 10.1.2.3/32"],
    ["10.0.0.1/0", "write 0.0.0.0/0 or 10.0.0.1/32"],
    ["192.168.1.255/25", "write 192.168.1.128/25 or 192.168.1.255/32"],
    ["2001:db8::1/32", "write 2001:db8::/32 or 2001:db8::1/128"],
    ["::1/0", "write ::/0 or ::1/128"],
  ])("refuses the host bits of %s and names both fixes", (text, fixes) => {
    expect(() => parseCidr(text)).toThrow(`"${text}" has host bits set: ${fixes}`);
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0.0/+8",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "10.0.0.0/8.0",
    "::/129",
    "::/ 0",
  ])("refuses the prefix length of %j", (text) => {
    expect(() => parseCidr(text)).toThrow(/is not a prefix length, expected a decimal number from 0 to (?:32|128)$/);
  });

  test.each(["10.0.0.1:80", "10.0.0.0/8:80", "10.0.0.1:80,443", "[2001:db8::1]:8000-8100", "db.example.com:5432"])(
    "says of %s where its port goes",
    (text) => {
      expect(() => parseCidr(text)).toThrow(`"${text}" has a port, expected an IPv4 or IPv6 address or CIDR alone: `);
      expect(() => parseCidr(text)).toThrow(/a port goes into "port"$/);
    },
  );

  test.each(["http://1.2.3.4", "https://[2001:db8::1]:443/", "tcp://10.0.0.1:80"])(
    "says of %s that it is a URL",
    (text) => {
      expect(() => parseCidr(text)).toThrow(
        `"${text}" is a URL, expected an IPv4 or IPv6 address or CIDR, and nothing else`,
      );
    },
  );

  test.each(["10.0.0.1-10.0.0.9", "10.0.0.1 - 10.0.0.9", "10.0.0.1-9", "2001:db8::1-2001:db8::9"])(
    "says of %s how a range is written",
    (text) => {
      expect(() => parseCidr(text)).toThrow(
        `"${text}" is a range, expected a block (CIDR) such as 10.0.0.0/24, or a list`,
      );
    },
  );

  test.each(["10.0.0.0/8,192.0.2.0/24", "10.0.0.0/8,10.1.0.1", "10.0.0.1:80,10.0.0.2:80", "::1,::2", "a,b"])(
    "says of %s how a list is written",
    (text) => {
      expect(() => parseCidr(text)).toThrow(
        `"${text}" holds a comma, expected one address or CIDR, or a JSON list of them`,
      );
      expect(() => parseCidr(text)).toThrow("--host again on the command line");
    },
  );

  test.each([":", "1.", "[", "1-", "a"])("refuses a text of 500,000 times %j at once", (part) => {
    const startedMs = performance.now();
    expect(() => parseCidr(part.repeat(500_000))).toThrow("Cannot parse address");
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  test("refuses a netmask in place of a prefix length", () => {
    expect(() => parseCidr("10.0.0.0/255.0.0.0")).toThrow('"255.0.0.0" is not a prefix length');
    expect(() => parseCidr("10.0.0.0/8/8")).toThrow('more than one "/"');
  });

  test("reads canonical text back unchanged", () => {
    fc.assert(
      fc.property(fc.oneof(cidrs(4), cidrs(6)), (cidr) => {
        expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
      }),
    );
  });

  test("takes only text that the platform takes as an address too", () => {
    const nearly = fc.oneof(
      fc.string({ unit: fc.constantFrom(..."0123456789abcfxF:./%".split("")), maxLength: 24 }),
      fc.ipV6(),
      fc.ipV4Extended(),
      fc.string(),
    );
    fc.assert(
      fc.property(nearly, (text) => {
        const [address = ""] = text.split("/");
        expect(["refused", isIP(address)]).toContain(familyOf(text));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("parseAddress", () => {
  test("takes one address, with or without its full prefix length", () => {
    expect(parseAddress("10.0.0.1")).toEqual(parseAddress("10.0.0.1/32"));
    expect(parseAddress("::1").prefix).toBe(128);
  });

  test("refuses a block", () => {
    expect(() => parseAddress("10.0.0.0/8")).toThrow('"10.0.0.0/8" is a block, expected one address');
    expect(() => parseAddress("::/0")).toThrow("expected one address");
  });
});

describe("cidrContains", () => {
  test.each([
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/8", "10.0.0.0/9", true],
    ["10.0.0.0/9", "10.0.0.0/8", false],
    ["0.0.0.0/0", "1.2.3.4", true],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "1.2.3.4", false],
    ["::/0", "2001:db8::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["192.168.1.128/25", "192.168.1.127", false],
  ])("says of %s and %s: %s", (cidr, address, contained) => {
    expect(cidrContains(parseCidr(cidr), parseCidr(address))).toBe(contained);
  });

  test.each([4, 6] as const)("agrees with the platform's own matching in IPv%s", (family) => {
    const type = family === 4 ? "ipv4" : "ipv6";
    // The address shares the block's first bits about half of the time.
    fc.assert(
      fc.property(cidrs(family), cidrs(family), fc.boolean(), (cidr, other, isNear) => {
        const address = parseAddress(isNear ? cidr.address : other.address);
        const list = new BlockList();
        list.addSubnet(cidr.address, cidr.prefix, type);
        expect(cidrContains(cidr, address)).toBe(list.check(address.address, type));
      }),
    );
  });
});

function familyOf(text: string): 4 | 6 | "refused" {
  try {
    return parseCidr(text).family;
  } catch (error) {
    if (!String(error).startsWith("Error: Cannot parse address: ")) throw error;
    return "refused";
  }
}
