import { open } from "node:fs/promises";

/** An architecture that there is an executable for, by each of the names that it has. */
export interface Architecture {
  /** Go's and Debian's name, which Nomad's `${attr.cpu.arch}` has. */
  readonly name: "amd64" | "arm64";
  /** Node.js's `process.arch`. */
  readonly node: "x64" | "arm64";
  /** Bun for it, on npm. */
  readonly runtimePackage: string;
  /** e_machine of its ELF files (elf(5)). */
  readonly elfMachine: number;
}

export const architectures: readonly Architecture[] = [
  { name: "amd64", node: "x64", runtimePackage: "@oven/bun-linux-x64", elfMachine: 62 },
  { name: "arm64", node: "arm64", runtimePackage: "@oven/bun-linux-aarch64", elfMachine: 183 },
];

/** @throws where the file is not an executable for that architecture */
export async function expectElf(path: string, { name, elfMachine }: Architecture): Promise<void> {
  const file = await open(path);
  try {
    const header = Buffer.alloc(20);
    await file.read(header, 0, header.length, 0);
    const isElf = header.toString("latin1", 0, 4) === "\u007fELF";
    if (isElf && header.readUInt16LE(18) === elfMachine) return;
    throw new Error(`Cannot accept ${path}: it is no executable for ${name}, its header is ${header.toString("hex")}`);
  } finally {
    await file.close();
  }
}
