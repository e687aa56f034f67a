export const SHELLS = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof SHELLS)[number];

/**
 * What each shell runs when Tab is pressed: this executable, by the name it was called by, with the words so far.
 * SHELL says in which form it answers: the login shell, which yargs goes by, may be another one.
 */
export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = {
  // What it finds is quoted: bash puts it into the command line as it is.
  bash: `_outbound_complete() {
  local current="\${COMP_WORDS[COMP_CWORD]}" line
  COMPREPLY=()
  while IFS= read -r line; do
    [[ $line == "$current"* ]] && COMPREPLY+=("$(printf %q "$line")")
  done < <(SHELL=bash "$1" --get-yargs-completions "\${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
}
complete -o default -F _outbound_complete outbound
`,
  zsh: `#compdef outbound
_outbound() {
  local -a found
  found=("\${(@f)$(SHELL=zsh \${(Q)words[1]} --get-yargs-completions "\${(@)words[1,CURRENT]}" 2>/dev/null)}")
  found=("\${(@)found:#}")
  if (( \${#found} )); then
    _describe outbound found
  else
    _default
  fi
}
if [[ "\${zsh_eval_context[-1]}" == loadautofunc ]]; then
  _outbound "$@"
else
  compdef _outbound outbound
fi
`,
  fish: `function __outbound_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  test (count $current) -gt 0; or set current ''
  set -l found (env SHELL=fish $words[1] --get-yargs-completions $words $current 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path $current
  end
end
complete -c outbound -f -a '(__outbound_complete)'
`,
};
