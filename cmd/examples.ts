/** Lines of an epilogue that can be pasted: yargs itself breaks an example that has more than half of the width. */
export function examples(commands: Readonly<Record<string, string>>): readonly string[] {
  return ["Examples:", ...Object.entries(commands).flatMap(([what, line]) => [`  # ${what}`, `  ${line}`]), ""];
}
