import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { monotonicMs } from "../wait.ts";

/** One network interface, with whole frames going out and coming in: what no ordinary socket would send. */
export interface RawDevice {
  /** Its own hardware address. */
  readonly mac: string;
  send(...frames: readonly Buffer[]): void;
  /** Every frame that has come in since it was opened, none of those that went out. */
  received(): readonly ReceivedFrame[];
  /** Empties what has been received so far. */
  forget(): void;
  /** Called with each frame that comes in from now on. */
  onFrame(listener: (frame: Buffer) => void): void;
  close(): Promise<void>;
}

export interface ReceivedFrame {
  readonly frame: Buffer;
  /** As `monotonicMs`: when the test read it, a little after it came. */
  readonly atMs: number;
}

/** A packet socket (packet(7)) that trades frames for lines of hex. Perl is on every Debian; Node.js has no such socket. */
const program = `
  $| = 1;
  my ($device, $protocol) = @ARGV;
  sub setting { open(my $file, "<", "/sys/class/net/$device/$_[0]") or die "$device: $!"; chomp(my $text = <$file>); $text }
  socket(my $socket, 17, 3, unpack("S", pack("n", 3))) or die "socket: $!";
  bind($socket, pack("SnlSCCx8", 17, 3, setting("ifindex"), 0, 0, 0)) or die "bind: $!";
  print setting("address"), "\\n";
  my $lines = "";
  while (1) {
    my $ready = "";
    vec($ready, $_, 1) = 1 for 0, fileno($socket);
    select($ready, undef, undef, undef);
    if (vec($ready, 0, 1)) {
      sysread(STDIN, $lines, 1 << 20, length $lines) or exit;
      while ($lines =~ s/^(.*)\\n//) { send($socket, pack("H*", $1), 0) or warn "send: $!" }
    }
    if (vec($ready, fileno($socket), 1)) {
      my $from = recv($socket, my $frame, 65536, 0);
      next if !defined $from || (unpack("SnlSCC", $from))[4] == 4;
      next if $protocol && ord(substr($frame, ord(substr($frame, 14, 1)) >> 4 == 4 ? 23 : 20, 1)) != $protocol;
      print unpack("H*", $frame), "\\n";
    }
  }
`;

/**
 * Opens an interface of a network namespace; with `protocol`, an IP protocol's number, only that comes in. It closes with
 * this process, or with the namespace.
 */
export async function openRawDevice(
  { namespace }: { readonly namespace: string },
  device: string,
  { protocol = 0 }: { readonly protocol?: number } = {},
): Promise<RawDevice> {
  const argv = ["netns", "exec", namespace, "perl", "-e", program, device, String(protocol)];
  const child = spawn("ip", argv, { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  child.stdin.on("error", () => {});
  const received: ReceivedFrame[] = [];
  const listeners: ((frame: Buffer) => void)[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  void exited.then(() => reject(new Error(`Cannot open ${device} in ${namespace}: see what perl printed`)));
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.includes(":")) return resolve(line);
    const frame = Buffer.from(line, "hex");
    received.push({ frame, atMs: monotonicMs() });
    for (const listener of listeners) listener(frame);
  });
  const mac = await promise;
  return {
    mac,
    send(...frames) {
      for (const frame of frames) child.stdin.write(`${frame.toString("hex")}\n`);
    },
    received: () => received,
    forget: () => void received.splice(0),
    onFrame: (listener) => void listeners.push(listener),
    async close() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
