/** Completion for bash; needs nothing but bash itself (3.2 and later). */
import type { CommandWords, ValueKind } from './tree.js';

export function bashCompletion(commands: readonly CommandWords[]): string {
  const descents = commands.flatMap((command) =>
    command.subcommands.map(
      ({ names, path }) =>
        `      ${names.map((name) => quote(`${command.path}:${name}`)).join(' | ')}) path=${quote(path)} ;;`,
    ),
  );
  const valued = commands.flatMap((command) =>
    command.options.flatMap((option) =>
      option.value === undefined
        ? []
        : [
            {
              pattern: option.flags.map((flag) => quote(`${command.path}:${flag}`)).join(' | '),
              value: option.value,
            },
          ],
    ),
  );
  const operands = commands.flatMap((command) => [
    ...(command.subcommands.length === 0
      ? []
      : [
          `    ${quote(`${command.path}:0`)}) _selvage_reply ${quote(command.subcommands.flatMap(({ names }) => names).join(' '))} ;;`,
        ]),
    ...command.operands.map(
      (value, i) => `    ${quote(`${command.path}:${i}`)}) ${offer(value)} ;;`,
    ),
  ]);
  return `# bash completion for selvage
# eval "$(selvage completion bash)"

_selvage_reply() {
  COMPREPLY=()
  local word
  for word in $1; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done
}

_selvage_paths() {
  COMPREPLY=()
  local found
  while IFS= read -r found; do
    COMPREPLY+=("$found")
  done < <(compgen "$1" -- "$cur")
  compopt -o filenames 2>/dev/null
}

_selvage_nodes() {
  _selvage_reply "$("\${COMP_WORDS[0]}" completion nodes \${config:+--config "$config"} 2>/dev/null)"
}

_selvage() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local path='' config='' word operands=0 i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == -c || $word == --config ]] && config=\${COMP_WORDS[i + 1]}
    case "$path:$word" in
${valued.map(({ pattern }) => `      ${pattern}) ((i++)); continue ;;`).join('\n')}
    esac
    [[ $word == -* ]] && continue
    case "$path:$word" in
${descents.join('\n')}
      *) ((operands++)) ;;
    esac
  done
  case "$path:$prev" in
${valued.map(({ pattern, value }) => `    ${pattern}) ${offer(value)}; return ;;`).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case "$path" in
${commands.map((command) => `      ${quote(command.path)}) _selvage_reply ${quote(command.options.flatMap((option) => option.flags).join(' '))} ;;`).join('\n')}
    esac
    return
  fi
  case "$path:$operands" in
${operands.join('\n')}
  esac
}

complete -F _selvage selvage
`;
}

function offer(value: ValueKind): string {
  switch (value.kind) {
    case 'choices':
      return `_selvage_reply ${quote(value.choices.join(' '))}`;
    case 'file':
      return '_selvage_paths -f';
    case 'folder':
      return '_selvage_paths -d';
    case 'node':
      return '_selvage_nodes';
    case 'text':
      return ':';
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
