/** What the commands about a fleet's configuration have in common, with one wording each. */
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { maxTextLength } from '../../config/limits.js';

/** Of what decides about writing. */
export interface ChangeFlags {
  readonly message?: string | undefined;
  readonly forceChange: boolean;
  readonly dryRun?: boolean;
}

/** The end of the help of every command that writes a version. */
export const writingHelp = `Exit code 3 also means: refused, nothing was written: somebody else wrote a version first, or it
would cut off nodes or pairs.`;

export function messageOption() {
  return new Option('-m, --message <text>', 'why, for the history').argParser(parseMessage);
}

export function forceChangeOption() {
  return new Option(
    '--force-change',
    'write it although it cuts off nodes or pairs, or a change in phases is under way',
  ).default(false);
}

export function dryRunOption() {
  return new Option('--dry-run', 'say what would happen, and write nothing').default(false);
}

export function versionNumberOption<Flags extends string>(flags: Flags, description: string) {
  return new Option(flags, description).argParser(parseVersionNumber);
}

export function parseVersionNumber(text: string): number {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('write a number, as "selvage config history" shows it');
}

function parseMessage(text: string): string {
  const message = text.trim().replace(/\s+/g, ' ');
  if (message === '') throw new InvalidArgumentError('it is empty');
  if (message.length > maxTextLength)
    throw new InvalidArgumentError(`it has more than ${maxTextLength} characters`);
  return message;
}
