/** Every version of the specification so far, oldest first. */
export const SUPPORTED_VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];

/** What an absent or empty `cniVersion` means. */
export const DEFAULT_VERSION: CniVersion = "0.1.0";

export const CURRENT_VERSION: CniVersion = "1.1.0";

/** VERSION's answer, one line with its newline. */
export function versionReport(cniVersion: CniVersion = CURRENT_VERSION): string {
  return `${JSON.stringify({ cniVersion, supportedVersions: SUPPORTED_VERSIONS })}\n`;
}

/**
 * What goes to stderr when there is no command: two lines. Nomad takes the first word that is a semantic version as
 * the plugin's, so `version` must be one; with "unknown" it would take a protocol version from the second line.
 */
export function aboutText(version: string): string {
  return `CNI outbound plugin v${version}\nCNI protocol versions supported: ${SUPPORTED_VERSIONS.join(", ")}\n`;
}

export function isSupportedVersion(version: string): version is CniVersion {
  return SUPPORTED_VERSIONS.some((supported) => supported === version);
}

/** Throws a plain `Error` that says which part is no number, or that there are too many parts. */
export function isAtLeast(version: string, floor: string): boolean {
  const actual = versionParts(version);
  const wanted = versionParts(floor);
  for (const [index, part] of wanted.entries()) {
    const difference = (actual[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function versionParts(version: string): readonly number[] {
  const texts = version.split(".");
  if (texts.length > 3) throw new Error(`Cannot parse version: "${version}" has too many parts, expected 3`);
  const parts = texts.map((text) => {
    if (!/^\d+$/.test(text)) throw new Error(`Cannot parse version: "${version}", expected a form like 1.0.0`);
    return Number(text);
  });
  return [...parts, 0, 0].slice(0, 3);
}
