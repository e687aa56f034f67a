import { describe, expect, test } from "vitest";
import { formatDestination, parseDestination } from "../../../lib/inspect/destination.ts";

describe("parseDestination", () => {
  test.each([
    ["10.1.2.3:443", { family: 4, destination: "10.1.2.3", protocol: "tcp", port: 443 }],
    ["10.1.2.3:53/udp", { family: 4, destination: "10.1.2.3", protocol: "udp", port: 53 }],
    ["10.1.2.3:0/SCTP", { family: 4, destination: "10.1.2.3", protocol: "sctp", port: 0 }],
    ["[2001:DB8:0::1]:443/tcp", { family: 6, destination: "2001:db8::1", protocol: "tcp", port: 443 }],
    ["[2001:db8::1]:443", { family: 6, destination: "2001:db8::1", protocol: "tcp", port: 443 }],
    ["10.1.2.3/icmp", { family: 4, destination: "10.1.2.3", protocol: "icmp" }],
    ["2001:db8::1/icmp", { family: 6, destination: "2001:db8::1", protocol: "icmpv6" }],
    ["[2001:db8::1]/icmpv6", { family: 6, destination: "2001:db8::1", protocol: "icmpv6" }],
  ])("reads %s", (text, packet) => {
    expect(parseDestination(text)).toEqual(packet);
  });

  test.each([
    ["10.1.2.3", '"10.1.2.3" has no port, expected 10.1.2.3:443, or 10.1.2.3/icmp'],
    ["2001:db8::1", '"2001:db8::1" has no port, expected [2001:db8::1]:443, or 2001:db8::1/icmp'],
    [
      "2001:DB8:ffff::10:80",
      "expected [2001:db8:ffff::10]:80, or [2001:db8:ffff::10:80]:443, or 2001:db8:ffff::10:80/icmp",
    ],
    ["2001:db8::1:443/udp", "expected [2001:db8::1]:443/udp, or [2001:db8::1:443]:443/udp"],
    ["2001:db8::1:99999", "is not IPv6"],
    ["2001:db8::a:b", "expected [2001:db8::a:b]:443, or"],
    ["1:2:3:4:5:6:7:8", "expected [1:2:3:4:5:6:7:8]:443, or"],
    ["10.1.2.3/udp", "expected 10.1.2.3:443/udp"],
    ["10.1.2.3:65536", 'the port is "65536", expected 0-65535'],
    ["10.1.2.3:", 'the port is "", expected 0-65535'],
    ["10.1.2.3:http", 'the port is "http"'],
    ["10.1.2.3:080", 'the port is "080"'],
    ["[2001:db8::1]443", "expected"],
    ["10.1.2.3:7/icmp", "has a port, expected 10.1.2.3/icmp"],
    ["10.1.2.3/icmpv6", "icmpv6 goes with an IPv4 address, expected icmp"],
    ["10.1.2.3:80/gre", 'the protocol is "gre", expected tcp, udp, sctp, icmp or icmpv6'],
    ["10.1.2.3:80/tcp/udp", 'has more than one "/"'],
    ["10.0.0.0/8", 'the protocol is "8"'],
    ["example.com:443", "names are not addresses"],
    ["10.1.2.300:443", "out of range"],
    ["[fe80::1%eth0]:443", "zone id"],
    ["", "the address is empty"],
  ])("refuses %j and says what to write", (text, message) => {
    expect(() => parseDestination(text)).toThrow(message);
  });
});

test("a destination is told in words", () => {
  expect(formatDestination(parseDestination("[2001:db8::1]:53/udp"))).toBe("udp to 2001:db8::1 port 53");
  expect(formatDestination(parseDestination("10.1.2.3/icmp"))).toBe("icmp to 10.1.2.3");
});
