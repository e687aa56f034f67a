import { chmodSync, mkdirSync, readdirSync, realpathSync, statSync, type Stats } from "node:fs";
import { dirname, resolve } from "node:path";

/** What we put into a state or cache folder: what else is there belongs to somebody who may need its rights. */
const OWN_NAME = /^(?:attachments$|observed\.json|plugin-runs$|runtime-rules\.json|CNI-OUT-[0-9a-f]{20}\.)/;
const WRITE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * Makes a folder of ours where it is missing, with mode 0700 whatever the umask. One that was there, as systemd or an
 * operator made it, is brought to 0700 too where nothing but ours is in it: it may be a folder that others share.
 *
 * @throws Error where somebody other than root or this user could put files in place of ours
 */
export function ensureOwnFolder(folder: string): void {
  makeFolder(resolve(folder));
  const real = realpathSync(folder);
  const stats = statSync(real);
  const isTight = (stats.mode & 0o777) === 0o700;
  if (!isTight && isTrusted(stats) && readdirSync(real).every((name) => OWN_NAME.test(name))) chmodSync(real, 0o700);
  else if (!isTrusted(stats) || isWritableByOthers(stats)) throw cannotTrust(real, stats);
  requireTrustedAbove(real);
}

/**
 * The same of a folder that is there, which is left as it is.
 *
 * @throws Error where it is missing, or somebody other than root or this user could put files in place of ours
 */
export function requireOwnFolder(folder: string): void {
  const real = realpathSync(folder);
  const stats = statSync(real);
  if (!isTrusted(stats) || isWritableByOthers(stats)) throw cannotTrust(real, stats);
  requireTrustedAbove(real);
}

/** Whether it belongs to root or to this user, so that nobody else can change what it says. */
export function isTrusted({ uid }: Pick<Stats, "uid">): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

export function isWritableByOthers({ mode }: Pick<Stats, "mode">): boolean {
  return (mode & WRITE_BY_OTHERS) !== 0;
}

/** Who it belongs to, and its mode: `user 1000, 0755`. */
export function describeRights({ uid, mode }: Pick<Stats, "uid" | "mode">): string {
  return `user ${uid}, 0${(mode & 0o7777).toString(8)}`;
}

function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) chmodSync(made, 0o700);
}

function requireTrustedAbove(real: string): void {
  for (const above of foldersAbove(real)) {
    const found = statSync(above);
    // In a sticky folder such as /tmp nobody can rename what is not his own.
    const isOpen = isWritableByOthers(found) && (found.mode & STICKY) === 0;
    if (!isTrusted(found) || isOpen) throw cannotTrust(above, found);
  }
}

function cannotTrust(folder: string, stats: Stats): Error {
  return new Error(`Cannot trust ${folder}: found ${describeRights(stats)}, expected one that only root may write to`);
}

function foldersAbove(folder: string): readonly string[] {
  const above = dirname(folder);
  return above === folder ? [] : [above, ...foldersAbove(above)];
}
