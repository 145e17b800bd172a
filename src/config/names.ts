/**
 * Names of clusters, zones, regions, segments and nodes: host names, as they end up in logs,
 * file names and other programs' configuration.
 */
import { maxNameLength } from './limits.js';
import { oddCharacter } from './characters.js';
import { nearestName } from './nearest.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';

const pattern = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;

export function isName(name: string): boolean {
  return pattern.test(name) && name.length <= maxNameLength;
}

/** Reports a name that is not one. */
export function checkName(
  name: string | undefined,
  context: { readonly report: Report; readonly path: Path },
): boolean {
  if (name === undefined || isName(name)) return true;
  const { report, path } = context;
  report.add({ code: 'bad-name', path, value: name, ...complaint(name) });
  return false;
}

function complaint(name: string): { message: string; remedy: string } {
  const better = repair(name);
  const remedy =
    better === undefined
      ? 'use lower-case letters, digits, "-", "_" and "."; begin and end with a letter or digit'
      : `write "${better}"`;
  const odd = oddCharacter(name);
  if (odd !== undefined) return { message: `the name holds the character ${odd}`, remedy };
  if (/\s/.test(name)) return { message: 'the name has a space in it', remedy };
  if (/[A-Z]/.test(name)) return { message: 'the name has capital letters', remedy };
  if (name.length > maxNameLength)
    return { message: `the name has more than ${maxNameLength} characters`, remedy: 'shorten it' };
  const wrong = /[^a-z0-9._-]/.exec(name)?.[0];
  return {
    message:
      wrong === undefined
        ? 'the name begins or ends with a sign'
        : `the name has the sign ${wrong} in it`,
    remedy,
  };
}

function repair(name: string): string | undefined {
  const better = name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2018\u2019\u201c\u201d"'`]/g, '')
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
    .slice(0, maxNameLength);
  return pattern.test(better) ? better : undefined;
}

/** `did you mean "x"?`, or what the known names are when there are few. */
export function suggestName(name: string, known: Iterable<string>, otherwise: string): string {
  const names = [...known];
  const meant = nearestName(name, names);
  if (meant !== undefined) return `did you mean "${meant}"?`;
  return names.length > 0 && names.length <= 8 ? `known: ${names.join(', ')}` : otherwise;
}
