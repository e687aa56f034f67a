import { show } from "../policy/show.ts";

/** iptables refuses a name of 29 bytes (measured with 1.8.9). */
export const MAX_CHAIN_NAME_BYTES = 28;

export const CHAIN_NAME_PATTERN = /^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/;

/** Why `name` cannot be the main chain's, as "what it is, what was expected"; undefined where it can. */
export function mainChainIssue(name: string): string | undefined {
  const shown = show(name);
  if (name === "") return `${shown} is empty, expected 1-${MAX_CHAIN_NAME_BYTES} characters`;
  if (!CHAIN_NAME_PATTERN.test(name)) {
    return `${shown} holds other characters, expected A-Z a-z 0-9 . _ - and no "-" first`;
  }
  if (name.length > MAX_CHAIN_NAME_BYTES) {
    return `${shown} has ${name.length} characters, expected 1-${MAX_CHAIN_NAME_BYTES}`;
  }
  if (RESERVED.has(name)) return `${shown} is a chain or target of netfilter's own, expected another name`;
  if (FOREIGN.test(name)) return `${shown} belongs to another program, expected another name`;
  if (OWN.test(name)) return `${shown} has the form of a container's or a rule set's chain, expected another name`;
  return undefined;
}

/** Built-in chains, and targets: iptables refuses a chain by the name of any target extension that it can load. */
const RESERVED: ReadonlySet<string> = new Set(
  (
    "INPUT FORWARD OUTPUT PREROUTING POSTROUTING ACCEPT DROP REJECT RETURN QUEUE LOG MARK " +
    "AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNMARK CONNSECMARK CT DNAT DNPT DSCP ECN HL HMARK IDLETIMER LED MASQUERADE " +
    "NAT NETMAP NFLOG NFQUEUE NOTRACK RATEEST REDIRECT SECMARK SET SNAT SNPT SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS " +
    "TPROXY TRACE TTL ULOG"
  ).split(" "),
);

/** The firewall and portmap plugins', Docker's and Nomad's. */
const FOREIGN = /^(CNI-FORWARD$|CNI-ADMIN$|CNI-HOSTPORT-|CNI-ISOLATION-|DOCKER|NOMAD-ADMIN$)/;

/** `CNI-OUT-` an attachment's, `CNI-OUTST-` and its like what attachments share. */
const OWN = /^CNI-OUT([A-Z]{2})?-/;
