import type { ArgumentsCamelCase, Argv } from "yargs";
import { COMPLETION_SCRIPTS, SHELLS } from "./completion-scripts.ts";
import { examples } from "./examples.ts";

export const command = "completion <shell>";
export const describe = "Print the script that completes commands in a shell";

export function builder(yargs: Argv) {
  return yargs
    .positional("shell", { choices: SHELLS, demandOption: true, describe: "The shell that it is for" })
    .epilogue(
      [
        ...examples({
          "bash, in ~/.bashrc": "source <(outbound completion bash)",
          "bash, for all users, with the package bash-completion":
            "outbound completion bash > /etc/bash_completion.d/outbound",
          "zsh, in ~/.zshrc, after compinit": "source <(outbound completion zsh)",
          fish: "outbound completion fish > ~/.config/fish/completions/outbound.fish",
        }),
        "It completes commands, options and their values; ids of allocations, and names",
        "for scope flags, as far as this node has them and its state can be read (root).",
      ].join("\n"),
    );
}

type CompletionArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export function handler({ shell }: CompletionArguments): void {
  process.stdout.write(COMPLETION_SCRIPTS[shell]);
}
