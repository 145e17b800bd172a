/**
 * The program as far as a command line needs it: whoever asks an agent in a hurry waits for no other
 * command's names and options. Everything else gets the whole tree.
 */
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { programWith } from './program-with.js';

/** By name and alias. */
const alone: Readonly<Record<string, () => Promise<CommandUnknownOpts>>> = {
  'route-explain': explainCommand,
  explain: explainCommand,
  status: async () => (await import('./commands/status.js')).statusCommand(),
};

/** `words`: the command line behind the program's name. */
export async function programFor(words: readonly string[]): Promise<CommandUnknownOpts> {
  const [name = ''] = words;
  const load = Object.hasOwn(alone, name) ? alone[name] : undefined;
  if (load !== undefined) return programWith([await load()]);
  return (await import('./program.js')).buildProgram();
}

async function explainCommand(): Promise<CommandUnknownOpts> {
  return (await import('./commands/route-explain.js')).routeExplainCommand();
}
