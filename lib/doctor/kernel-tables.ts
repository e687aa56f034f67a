import { isUnread, NEEDS_ROOT, ok, unknown, warning, type Check, type Fact } from "./check.ts";

export interface ConntrackFacts {
  readonly count: number;
  readonly max: number;
}

/** The kernel's table of connections: when it is full, new ones are dropped whatever the rules say. */
export function checkConntrack(facts: Fact<ConntrackFacts> | undefined): Check {
  const name = "connection tracking";
  if (facts === undefined) return ok(name, "connection tracking has not been used yet");
  if (isUnread(facts)) return unknown(name, { message: `connection tracking: ${facts.unread}` });
  const { count, max } = facts;
  const share = max === 0 ? 0 : Math.floor((100 * count) / max);
  if (share <= FULL_PERCENT) return ok(name, `connection tracking holds ${count} of ${max} connections`);
  return warning(name, {
    message: `connection tracking is ${share} % full, ${count} of ${max}: when it is full, new connections are dropped`,
    remedy: `sysctl -w net.netfilter.nf_conntrack_max=${2 * max}, and see what opens so many: conntrack -L`,
  });
}

const FULL_PERCENT = 90;

export interface KernelLogFacts {
  readonly readable: Fact<true>;
  /** Whether rules of this network namespace log to it. */
  readonly isLoggedTo: Fact<boolean>;
  /** Whether there are such rules. */
  readonly isNeeded: boolean;
}

/** The kernel's log is where logDenied and rule sets in audit mode tell of packets. */
export function checkKernelLog({ readable, isLoggedTo, isNeeded }: KernelLogFacts): Check {
  const name = "kernel log";
  if (!isUnread(readable)) return checkLoggedTo(name, { isLoggedTo, isNeeded });
  const message = `the kernel's log, /dev/kmsg, cannot be read: ${readable.unread}`;
  if (readable.unread === NEEDS_ROOT) return unknown(name, { message });
  if (!isNeeded) return ok(name, `${message}; nothing logs to it now`);
  return warning(name, {
    message: `${message}: what is denied or audited is counted, and not told one by one`,
    remedy: "Give this program, and the watcher, /dev/kmsg and CAP_SYSLOG",
  });
}

/** Outside the first network namespace the kernel does not log unless it is told to (netfilter-sysctl.rst). */
function checkLoggedTo(name: string, { isLoggedTo, isNeeded }: Omit<KernelLogFacts, "readable">): Check {
  const message = "the kernel's log can be read";
  if (isLoggedTo === true) return ok(name, message);
  if (!isNeeded) return ok(name, `${message}; nothing logs to it now`);
  if (isUnread(isLoggedTo)) {
    return unknown(name, {
      message: `whether the kernel logs what rules of this network namespace see: ${isLoggedTo.unread}`,
      remedy: "On the host, sysctl net.netfilter.nf_log_all_netns must say 1",
    });
  }
  return warning(name, {
    message: `${message}, but nothing of this network namespace is logged: what is denied or audited is counted, and not told one by one`,
    remedy: "On the host: sysctl -w net.netfilter.nf_log_all_netns=1; with 0 only its own namespace logs",
  });
}
