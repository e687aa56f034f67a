/** @throws Error where this process may not change the kernel's chains */
export function requireRoot(action: string): void {
  const uid = process.getuid?.();
  if (uid !== 0) throw new Error(`Cannot ${action}: found user id ${uid}, expected root`);
}
