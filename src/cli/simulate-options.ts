/** The numbers that `simulate` takes. */
import { InvalidArgumentError } from '@commander-js/extra-typings';

const fewestNodes = 20;
const mostNodes = 150_000;
const mostZones = 500;
const mostObservers = 64;

export function parseNodes(text: string): number {
  return whole(text, { least: fewestNodes, most: mostNodes });
}

/** One zone is lost on the way, so there must be others. */
export function parseZones(text: string): number {
  return whole(text, { least: 2, most: mostZones });
}

export function parseObservers(text: string): number {
  return whole(text, { least: 1, most: mostObservers });
}

export function parseSeed(text: string): number {
  return whole(text, { least: 0, most: 2 ** 32 - 1 });
}

export function parseSizes(text: string): readonly number[] {
  const sizes = [...new Set(text.split(',').map((part) => parseNodes(part.trim())))];
  if (sizes.length < 2)
    throw new InvalidArgumentError('two sizes or more are right, such as 100,1000,10000.');
  return sizes.sort((a, b) => a - b);
}

const perMinute = { s: 60, m: 1, min: 1, h: 1 / 60 } as const;

/** `1%/min`: the part of the nodes that come, leave or change in a minute. */
export function parseChurn(text: string): number {
  const [, digits, unit = 'min'] = /^(\d{1,3}(?:\.\d{1,4})?)%(?:\/(s|m|min|h))?$/.exec(text) ?? [];
  const part = (Number(digits) / 100) * perMinute[unit as keyof typeof perMinute];
  if (!(part <= 1))
    throw new InvalidArgumentError(
      'a part of the nodes in a time, from 0% to 100%/min, is right, such as 1%/min.',
    );
  return part;
}

function whole(text: string, { least, most }: { least: number; most: number }): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most))
    throw new InvalidArgumentError(`a whole number from ${least} to ${most} is right.`);
  return value;
}
