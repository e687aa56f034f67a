import * as fc from "fast-check";
import { expect, test } from "vitest";
import { auditPrefix, deniedPrefix } from "../../lib/netfilter/log-prefix.ts";
import { formatObserved, parseObserved } from "../../lib/observed/connection.ts";
import { parseLogLine } from "../../lib/observed/parse-log-line.ts";
import { parseAddress } from "../../lib/policy/address.ts";
import { attachmentsByAddress, attribute } from "../../watcher/attribute-packet.ts";
import { attachmentOf } from "../support/attachment.ts";
import { LOG_LINE_CORPUS } from "./corpus/texts.ts";
import { fuzz } from "./support/campaign.ts";
import { claim, claimSame } from "./support/claim.ts";
import { damagedText } from "./support/damaged-text.ts";
import { hostileTexts } from "./support/hostile-text.ts";

const attachment = attachmentOf();
const key = "global/a";
const digest = /[0-9a-f]{16}/.exec(auditPrefix("denied", key))?.[0] ?? "";
const known = {
  byAddress: attachmentsByAddress([attachment]),
  audited: new Map([[digest, { key, modifyIndex: 7 }]]),
};
/** So that a parser that reads nothing is not taken for a careful one. */
const seen = { read: 0, attributed: 0 };

fuzz("lines of the kernel's log", {
  inputs: { short: 15_000, long: 200_000 },
  arbitrary: damagedText(logLines()),
  corpus: LOG_LINE_CORPUS,
  check: (line) => {
    const packet = parseLogLine(line);
    if (packet === undefined) return;
    seen.read += 1;
    const { source, destination, protocol, port } = packet;
    for (const address of [source, destination])
      claimSame(parseAddress(address).address, address, "addresses are canonical");
    claim(/^[a-z0-9-]{1,16}$/.test(protocol), "a protocol is a name or a number", protocol);
    claim(port === undefined || (Number.isInteger(port) && port >= 0 && port <= 65_535), "a port is one", port);
    const told = attribute(packet, known);
    if (told === undefined) return;
    seen.attributed += 1;
    claimSame(told.allocation, attachment.containerId, "a packet is told of an allocation that is known");
    const connection = { ...told, firstSeen: "", lastSeen: "", lines: 1 };
    claimSame(parseObserved(formatObserved([connection])), [connection], "what was told can be written and read again");
  },
});

test("some lines were read, and some packets known", () => {
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(300);
});

function logLines(): fc.Arbitrary<string> {
  const prefix = fc.constantFrom(
    deniedPrefix(attachment.containerId),
    auditPrefix("denied", key),
    auditPrefix("accepted", key),
    "outbound ",
    "",
  );
  const field = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("IN=cni0", "PHYSIN=veth0a1b2c3d", "OUT=", "LEN=60", "MARK=0x1", "DF") },
    {
      weight: 2,
      arbitrary: fc.constantFrom("SRC=10.88.0.9", "DST=1.2.3.4.5", "PROTO=", "DPT=70000", "DPT=-1", "[SRC=1.1.1.1]"),
    },
    { weight: 1, arbitrary: hostileTexts() },
  );
  const addresses = fc.constantFrom(
    "SRC=10.88.0.2 DST=192.0.2.1",
    "SRC=fd00:0088:0000:0000:0000:0000:0000:0002 DST=2001:0db8:0000:0000:0000:0000:0000:0001",
    "SRC=10.88.0.2 DST=::ffff:10.0.0.1",
  );
  const protocol = fc.constantFrom(
    "PROTO=TCP SPT=1 DPT=443",
    "PROTO=UDP",
    "PROTO=ICMPv6 TYPE=1",
    "PROTO=132",
    "PROTO=47",
  );
  return fc
    .tuple(prefix, fc.array(field, { maxLength: 3 }), addresses, protocol, fc.array(field, { maxLength: 3 }))
    .map(([start, before, pair, kind, after]) => start + [...before, pair, kind, ...after].join(" "));
}
