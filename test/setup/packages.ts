import { existsSync } from "node:fs";
import { runCommand } from "../support/command.ts";

interface Requirement {
  readonly debianPackage: string;
  /** Any one of these files missing means that the package is. */
  readonly files: readonly string[];
}

const base: readonly Requirement[] = [
  {
    debianPackage: "iptables",
    files: ["/usr/sbin/iptables-nft-restore", "/usr/sbin/iptables-legacy-restore", "/usr/sbin/ip6tables-nft-restore"],
  },
  { debianPackage: "nftables", files: ["/usr/sbin/nft"] },
  { debianPackage: "conntrack", files: ["/usr/sbin/conntrack"] },
  { debianPackage: "iproute2", files: ["/usr/sbin/ip"] },
  { debianPackage: "iputils-ping", files: ["/usr/bin/ping"] },
  {
    debianPackage: "containernetworking-plugins",
    files: ["bridge", "firewall", "portmap", "ptp", "host-local", "loopback"].map((name) => `/usr/lib/cni/${name}`),
  },
];

const docker: Requirement = { debianPackage: "docker.io", files: ["/usr/sbin/dockerd", "/usr/bin/containerd"] };

/** What judges the files of deploy/; of systemd only systemd-analyze is run. */
const linters: readonly Requirement[] = [
  { debianPackage: "systemd", files: ["/usr/bin/systemd-analyze"] },
  { debianPackage: "shellcheck", files: ["/usr/bin/shellcheck"] },
];

/** Other shells than Debian's own, for the completion that each of them has. */
const shells: readonly Requirement[] = [
  { debianPackage: "zsh", files: ["/usr/bin/zsh"] },
  { debianPackage: "fish", files: ["/usr/bin/fish"] },
];

const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

/** Runs executables for arm64 on amd64; nothing for machines of arm64. */
const otherArchitecture: readonly Requirement[] =
  process.arch === "arm64"
    ? []
    : [
        { debianPackage: "qemu-user-static", files: ["/usr/bin/qemu-aarch64-static"] },
        { debianPackage: "libc6-arm64-cross", files: ["/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1"] },
      ];

/** Preloaded, it gives one process another wall clock: the machine's is everybody's. */
export const libfaketime = `/usr/lib/${triplet}/faketime/libfaketime.so.1`;
const clock: Requirement = { debianPackage: "libfaketime", files: [libfaketime] };

/** Debian's own browser: a script that starts the program. */
export const CHROMIUM = "/usr/bin/chromium";
/** It depends on no font, and without one it shows no text. */
const browser: readonly Requirement[] = [
  { debianPackage: "chromium", files: [CHROMIUM] },
  { debianPackage: "fonts-dejavu-core", files: ["/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"] },
];

/**
 * Installs the Debian packages that the tests need and that are not here yet; needs root only when something is missing.
 * `docker` adds the container engine, `shells` zsh and fish, `clock` what sets one process's clock,
 * `linters` systemd-analyze and shellcheck, `otherArchitecture` an emulator of arm64, `browser` chromium. Returns the names
 * of the packages it installed.
 */
export async function ensurePackages(options: PackageOptions): Promise<readonly string[]> {
  const requirements = [
    ...base,
    ...(options.docker ? [docker] : []),
    ...(options.shells === true ? shells : []),
    ...(options.clock === true ? [clock] : []),
    ...(options.linters === true ? linters : []),
    ...(options.otherArchitecture === true ? otherArchitecture : []),
    ...(options.browser === true ? browser : []),
  ];
  const missing = requirements.filter(isMissing).map((requirement) => requirement.debianPackage);
  if (missing.length === 0) return [];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await runCommand(["apt-get", "update"], { env, timeoutMs: 300_000 });
  await runCommand(["apt-get", "install", "-y", "--no-install-recommends", ...missing], { env, timeoutMs: 900_000 });
  const stillMissing = requirements.filter(isMissing).flatMap((requirement) => requirement.files);
  if (stillMissing.length > 0) {
    throw new Error(`Cannot install packages: still missing one of ${stillMissing.join(", ")}`);
  }
  return missing;
}

export interface PackageOptions {
  readonly docker: boolean;
  readonly shells?: boolean;
  readonly clock?: boolean;
  readonly linters?: boolean;
  readonly otherArchitecture?: boolean;
  readonly browser?: boolean;
}

function isMissing(requirement: Requirement): boolean {
  return !requirement.files.every((file) => existsSync(file));
}

if (import.meta.main) {
  const installed = await ensurePackages({ docker: process.argv.includes("--docker") });
  process.stdout.write(installed.length === 0 ? "All packages are here\n" : `Installed ${installed.join(", ")}\n`);
}
