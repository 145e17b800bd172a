/** Completion for fish: one `complete` line a word, each with the condition when it is offered. */
import type { CommandWords, ValueKind } from './tree.js';

export function fishCompletion(commands: readonly CommandWords[]): string {
  return `# fish completion for selvage
# selvage completion fish > ~/.config/fish/completions/selvage.fish

function __selvage_nodes
    set -l words (commandline -opc)
    set -l config
    for i in (seq (count $words))
        if contains -- $words[$i] -c --config; and test $i -lt (count $words)
            set config --config $words[(math $i + 1)]
        end
    end
    $words[1] completion nodes $config 2>/dev/null
end

complete -c selvage -f
${commands.flatMap(commandLines(commands)).join('\n')}
`;
}

function commandLines(commands: readonly CommandWords[]) {
  return (command: CommandWords): string[] => {
    const inside = condition(command, commands);
    const condition0 = inside === '' ? '' : ` -n ${quote(inside)}`;
    const children = command.subcommands.flatMap(({ names }) => names);
    const notYet = `not __fish_seen_subcommand_from ${children.join(' ')}`;
    const here = inside === '' ? notYet : `${inside}; and ${notYet}`;
    return [
      ...command.subcommands.flatMap(({ names, summary }) =>
        names.map(
          (name) => `complete -c selvage -n ${quote(here)} -a ${name} -d ${quote(summary)}`,
        ),
      ),
      ...command.options.map((option) => {
        const flags = option.flags
          .map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
          .join(' ');
        const value = option.value === undefined ? '' : ` ${valueOf(option.value)}`;
        return `complete -c selvage${condition0} ${flags}${value} -d ${quote(option.description)}`;
      }),
      ...command.operands
        .map(offer)
        .filter((offered) => offered !== '')
        .map((offered) => `complete -c selvage${condition0} ${offered}`),
    ];
  };
}

/** When the words so far have led to this command. */
function condition(command: CommandWords, commands: readonly CommandWords[]): string {
  if (command.path === '') return '';
  const steps = command.path.split(' ').map((_, i, parts) => parts.slice(0, i + 1).join(' '));
  return steps
    .map((path) => {
      const names = commands
        .flatMap(({ subcommands }) => subcommands)
        .find((child) => child.path === path)!.names;
      return `__fish_seen_subcommand_from ${names.join(' ')}`;
    })
    .join('; and ');
}

/** `-x`: it takes a value, and no file. */
function valueOf(value: ValueKind): string {
  return value.kind === 'file' ? '-r -F' : `-x ${offer(value)}`.trimEnd();
}

function offer(value: ValueKind): string {
  switch (value.kind) {
    case 'choices':
      return `-a ${quote(value.choices.join(' '))}`;
    case 'file':
      return '-F';
    case 'folder':
      return `-a ${quote('(__fish_complete_directories)')}`;
    case 'node':
      return `-a ${quote('(__selvage_nodes)')}`;
    case 'text':
      return '';
  }
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
