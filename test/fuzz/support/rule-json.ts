import * as fc from "fast-check";

/** As people write them; blocks whose edges lie near each other, so that packets and rules meet. */
const HOSTS = [
  "10.1.2.3",
  "10.1.2.0/24",
  "10.1.0.0/16",
  "10.0.0.0/8",
  "192.168.128.0/17",
  "198.18.77.1/32",
  "198.18.77.0/30",
  "0.0.0.0/0",
  "128.0.0.0/1",
  "2001:db8::7",
  "2001:db8::/64",
  "2001:db8:4b4d::/48",
  "8000::/1",
  "::/0",
] as const;
const PORTS = [
  443,
  0,
  65_535,
  "80,443",
  "8000-8100",
  "8000:8100,9000",
  "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33-34",
];

/** A list of rules, valid as it stands. */
export function rulesJson(maxLength = 3): fc.Arbitrary<readonly Readonly<Record<string, unknown>>[]> {
  return fc.array(ruleJson(), { maxLength });
}

/** All three forms of a rule set's value. */
export function ruleSetJson(): fc.Arbitrary<unknown> {
  const form = fc.record(
    {
      rules: rulesJson(),
      mode: fc.constantFrom("enforce", "enforce", "audit"),
      expiresAt: fc.constantFrom("2026-12-31T18:00:00Z", "2026-11-24T12:00:00.001Z", "2020-01-01T00:00:00+02:00"),
      description: fc.constantFrom("", "für die Aufträge"),
    },
    { requiredKeys: ["rules"] },
  );
  return fc.oneof(ruleJson(), rulesJson(), form);
}

/** One rule as JSON has it, valid as it stands. */
function ruleJson(): fc.Arbitrary<Readonly<Record<string, unknown>>> {
  const host = fc.oneof(fc.constantFrom(...HOSTS), fc.array(fc.constantFrom(...HOSTS), { minLength: 1, maxLength: 3 }));
  return fc
    .record({
      host: fc.option(host, { nil: undefined }),
      transport: fc.constantFrom(undefined, undefined, "tcp", "udp", "sctp", "TCP", "all"),
      port: fc.option(fc.constantFrom(...PORTS), { nil: undefined }),
      action: fc.constantFrom("ACCEPT", "ACCEPT", "DROP", "REJECT", "accept", "Drop"),
      comment: fc.constantFrom(undefined, undefined, 'orders "db" -j ACCEPT', "\u{1f600}\u0000"),
    })
    .map(({ host: hosts, transport, port, action, comment }) => ({
      ...(hosts === undefined ? {} : { host: hosts }),
      ...(transport === undefined ? {} : { proto: transport }),
      ...(port === undefined || transport === undefined || transport === "all" ? {} : { port }),
      action,
      ...(comment === undefined ? {} : { comment }),
    }));
}
