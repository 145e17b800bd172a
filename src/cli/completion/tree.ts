/** The command tree as a completion script needs it: words, and what kind of value follows each. */
import type { CommandUnknownOpts } from '@commander-js/extra-typings';

export type ValueKind =
  | { readonly kind: 'choices'; readonly choices: readonly string[] }
  /** `node`: names from the cluster file. `text`: nothing can be offered. */
  | { readonly kind: 'file' | 'folder' | 'node' | 'text' };

export interface OptionWords {
  /** Short and long form. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined: it takes none. */
  readonly value: ValueKind | undefined;
}

export interface CommandWords {
  /** Without the program's name: `` for the program, `lab up` for a command of a command. */
  readonly path: string;
  readonly summary: string;
  readonly subcommands: readonly {
    readonly names: readonly string[];
    readonly path: string;
    readonly summary: string;
  }[];
  readonly options: readonly OptionWords[];
  readonly operands: readonly ValueKind[];
}

/** Every command of the tree, the program first. */
export function commandWords(program: CommandUnknownOpts): readonly CommandWords[] {
  return wordsOf(program, '');
}

function wordsOf(command: CommandUnknownOpts, path: string): readonly CommandWords[] {
  const help = command.createHelp();
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const subcommands = children.map((child) => ({
    names: [child.name(), ...child.aliases()],
    path: path === '' ? child.name() : `${path} ${child.name()}`,
    summary: summaryOf(child),
  }));
  const own: CommandWords = {
    path,
    summary: summaryOf(command),
    subcommands,
    options: help.visibleOptions(command).map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined),
      description: option.description,
      value: option.required || option.optional ? valueKind(option.flags, option) : undefined,
    })),
    operands: command.registeredArguments.map((argument) =>
      valueKind(`<${argument.name()}>`, argument),
    ),
  };
  return [own, ...children.flatMap((child, i) => wordsOf(child, subcommands[i]!.path))];
}

function summaryOf(command: CommandUnknownOpts): string {
  return command.summary() || (command.description().split('\n')[0] ?? '');
}

/** Read off the placeholder, which is what a person goes by too. */
function valueKind(
  flags: string,
  named: { readonly argChoices?: readonly string[] | undefined },
): ValueKind {
  if (named.argChoices !== undefined) return { kind: 'choices', choices: named.argChoices };
  const placeholder = /[<[]([\w-]+)/.exec(flags)?.[1];
  switch (placeholder) {
    case 'file':
    case 'old-file':
    case 'new-file':
    case 'path':
      return { kind: 'file' };
    case 'dir':
      return { kind: 'folder' };
    case 'node':
    case 'destination':
      return { kind: 'node' };
    default:
      return { kind: 'text' };
  }
}
