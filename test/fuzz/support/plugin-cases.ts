import * as fc from "fast-check";
import type { Environment } from "../../../lib/cni/environment.ts";
import type { Family } from "../../../lib/policy/address.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { damagedJson } from "./damaged-json.ts";
import { damagedText } from "./damaged-text.ts";
import { hostileTexts } from "./hostile-text.ts";
import { rulesJson } from "./rule-json.ts";
import { runtimeRules } from "./runtime-rule-sets.ts";

/** What one node's plugin is asked, one after another. */
export interface PluginCase {
  readonly requests: readonly PluginRequest[];
  readonly runtimeRules: RuntimeRules | undefined;
  readonly families: readonly Family[];
  /** Transactions that the kernel refuses, counted from 0. */
  readonly refused: readonly number[];
  /** Which of the packets are sent. */
  readonly phase: number;
}

export interface PluginRequest {
  readonly env: Environment;
  readonly stdin: string;
}

const VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
const COMMANDS = ["ADD", "ADD", "ADD", "ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"] as const;

export function pluginCases(): fc.Arbitrary<PluginCase> {
  return fc.record({
    requests: fc.array(requests(), { minLength: 1, maxLength: 3 }),
    runtimeRules: fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 2, arbitrary: runtimeRules() }),
    families: fc.constantFrom<readonly Family[]>([4, 6], [4, 6], [4, 6], [4, 6], [4, 6], [4, 6], [4], []),
    refused: fc.oneof(
      { weight: 5, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.uniqueArray(fc.nat(8), { maxLength: 8 }) },
    ),
    phase: fc.nat(6),
  });
}

function requests(): fc.Arbitrary<PluginRequest> {
  return fc.integer({ min: 1, max: 3 }).chain((container) =>
    fc.record({
      env: environments(container),
      stdin: fc.oneof(
        { weight: 6, arbitrary: configurations(container).map((each) => JSON.stringify(each)) },
        { weight: 6, arbitrary: damagedJson(configurations(container)) },
        { weight: 1, arbitrary: damagedText(configurations(container).map((each) => JSON.stringify(each))) },
        { weight: 1, arbitrary: hostileTexts() },
      ),
    }),
  );
}

function environments(container: number): fc.Arbitrary<Environment> {
  const or = (usual: string) =>
    fc.oneof(
      { weight: 30, arbitrary: fc.constant<string | undefined>(usual) },
      { weight: 1, arbitrary: hostileTexts() },
      { weight: 1, arbitrary: fc.constant(undefined) },
    );
  return fc
    .record({
      command: fc.oneof(
        { weight: 30, arbitrary: fc.constantFrom(...COMMANDS) },
        { weight: 1, arbitrary: hostileTexts() },
      ),
      containerId: or(`alloc-${container}`),
      netns: or("/var/run/netns/x"),
      ifname: or("eth0"),
      path: or("/opt/cni/bin"),
      args: cniArgs(),
      override: fc.constantFrom(undefined, undefined, "true", "x"),
    })
    .map(({ command, containerId, netns, ifname, path, args, override }) => ({
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: ifname,
      CNI_PATH: path,
      CNI_ARGS: args,
      CNI_NETNS_OVERRIDE: override,
    }));
}

function cniArgs(): fc.Arbitrary<string | undefined> {
  const identity = fc.constantFrom(
    "NOMAD_NAMESPACE=default;NOMAD_JOB_ID=web;NOMAD_GROUP_NAME=app;NOMAD_REGION=global",
    "NOMAD_NAMESPACE=other;NOMAD_JOB_ID=web/dispatch-1-ab",
    "NOMAD_JOB_ID=web",
    "",
  );
  const text = fc.oneof(
    rulesJson(2).map((each) => JSON.stringify(each)),
    damagedJson(rulesJson(2)),
  );
  const jobRules = text.map((text) => `outbound.additional_rules=${text}`);
  const some = fc.tuple(identity, jobRules, fc.boolean()).map(([one, two, isFirst]) => {
    const pairs = ["IgnoreUnknown=true", ...(isFirst ? [two, one] : [one, two])];
    return pairs.join(";");
  });
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: identity },
    { weight: 4, arbitrary: some },
    { weight: 1, arbitrary: damagedText(some) },
  );
}

function configurations(container: number): fc.Arbitrary<Readonly<Record<string, unknown>>> {
  const optional = fc.record(
    {
      chainName: seldom(["CNI-OUTBOUND", "EGRESS", "x".repeat(28)], ["INPUT", "CNI-OUT-ACCEPT"]),
      defaultAction: fc.constantFrom("DROP", "REJECT", "ACCEPT", "drop"),
      outboundRules: rulesJson(),
      runtimeRules: rulesJson(2),
      hostTraffic: fc.constantFrom("filter", "allow"),
      jobRules: fc.constantFrom("accept", "deny-only", "ignore"),
      logDenied: fc.boolean(),
      backend: seldom(["iptables"], ["nftables"]),
      logging: fc.constant({ enable: false }),
      capabilities: fc.constant({ portMappings: true }),
      "cni.dev/valid-attachments": fc.constantFrom([], [{ containerID: "alloc-1", ifname: "eth0" }], [{}]),
    },
    { requiredKeys: [] },
  );
  return fc
    .tuple(fc.constantFrom(...VERSIONS), prevResults(container), optional)
    .map(([cniVersion, prevResult, more]) => ({ cniVersion, name: "egress", type: "outbound", prevResult, ...more }));
}

function prevResults(container: number): fc.Arbitrary<unknown> {
  const [ip4, ip6] = [`10.88.0.${container}/16`, `fd00:88::${container}/64`];
  const interfaces = [{ name: "cni0" }, { name: `veth${container}` }, { name: "eth0", sandbox: "/var/run/netns/x" }];
  const good = [
    {
      cniVersion: "1.0.0",
      interfaces,
      ips: [
        { address: ip4, interface: 2 },
        { address: ip6, interface: 2 },
      ],
    },
    { cniVersion: "1.0.0", interfaces, ips: [{ address: ip4, interface: 2 }] },
    {
      cniVersion: "0.4.0",
      interfaces: [],
      ips: [
        { version: "4", address: ip4 },
        { version: "6", address: ip6 },
      ],
    },
    { cniVersion: "0.2.0", ip4: { ip: ip4 }, ip6: { ip: ip6 } },
    { cniVersion: "1.0.0", interfaces: [{ name: `p${container}` }], ips: [{ address: ip4 }], dns: {} },
  ];
  return seldom<unknown>(good, [undefined]);
}

/** One of the first, and now and then one of the others. */
function seldom<T>(usual: readonly T[], others: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 15, arbitrary: fc.constantFrom(...usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}
