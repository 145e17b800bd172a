/** Completion for zsh: one function a command, each an `_arguments` call. */
import type { CommandWords, OptionWords, ValueKind } from './tree.js';

export function zshCompletion(commands: readonly CommandWords[]): string {
  return `#compdef selvage
# selvage completion zsh > "\${fpath[1]}/_selvage"

_selvage_nodes() {
  local -a names config
  local i=\${words[(I)(-c|--config)]}
  ((i > 0)) && config=(--config "\${words[i + 1]}")
  names=(\${(f)"$(\${_selvage_program:-selvage} completion nodes $config 2>/dev/null)"})
  compadd -a names
}

${commands.map(commandFunction).join('\n\n')}

if [[ $funcstack[1] == _selvage ]]; then
  _selvage "$@"
else
  compdef _selvage selvage
fi
`;
}

function commandFunction(command: CommandWords): string {
  const specs = command.options.flatMap(optionSpecs);
  if (command.subcommands.length === 0) {
    const operands = command.operands.map((value, i) => `'${i + 1}:${action(value)}'`);
    return `${functionName(command.path)}() {
  _arguments ${[...specs, ...operands].join(' \\\n    ')}
}`;
  }
  const described = command.subcommands.flatMap(({ names, summary }) =>
    names.map((name) => `    ${quote(`${name}:${summary}`)}`),
  );
  const calls = command.subcommands.map(
    ({ names, path }) => `        ${names.join(' | ')}) ${functionName(path)} ;;`,
  );
  return `${functionName(command.path)}() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands
  commands=(
${described.join('\n')}
  )
  _arguments -C ${[...specs, "'1:command:->command'", "'*::argument:->argument'"].join(' \\\n    ')}
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
${calls.join('\n')}
      esac
      ;;
  esac
}`;
}

function functionName(path: string): string {
  return path === '' ? '_selvage' : `_selvage_${path.replaceAll(/[ -]/g, '_')}`;
}

function optionSpecs(option: OptionWords): string[] {
  const text = option.description.replaceAll(/([[\]:\\])/g, '\\$1');
  const value = option.value === undefined ? '' : `:${action(option.value)}`;
  const exclusive = option.flags.length > 1 ? `(${option.flags.join(' ')})` : '';
  return option.flags.map((flag) => quote(`${exclusive}${flag}[${text}]${value}`));
}

/** `message:action` of an `_arguments` specification. */
function action(value: ValueKind): string {
  switch (value.kind) {
    case 'choices':
      return `value:(${value.choices.join(' ')})`;
    case 'file':
      return 'file:_files';
    case 'folder':
      return 'folder:_files -/';
    case 'node':
      return 'node:_selvage_nodes';
    case 'text':
      return 'value: ';
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
