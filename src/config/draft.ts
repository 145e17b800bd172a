/**
 * The parts of a cluster while it is being read: each with its place in the file and with the keys
 * that are wrong already, so that a later check does not complain about their consequences.
 */
import type { ClusterNode, Link, Rule, Zone } from '../../encap/cluster.js';
import type { Prefix } from '../../encap/prefix.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';

interface Part {
  readonly path: Path;
  readonly bad: ReadonlySet<string>;
}

/** A prefix and where it was written. */
export interface PlacedPrefix {
  readonly prefix: Prefix;
  readonly path: Path;
}

export interface DraftZone extends Part {
  readonly zone: Zone;
  readonly subnets: readonly PlacedPrefix[];
}

export interface DraftNode extends Part {
  readonly node: ClusterNode;
  readonly overlay: readonly PlacedPrefix[];
  /** Paths of the underlay addresses, in the order of `node.underlay`. */
  readonly underlayPaths: readonly Path[];
  readonly publicPaths: readonly Path[];
}

export interface DraftLink extends Part {
  readonly link: Link;
}

export interface DraftRule extends Part {
  readonly rule: Rule;
}

export interface Drafts<T> {
  readonly list: readonly T[];
  readonly byName: ReadonlyMap<string, T>;
  /** False when an entry could not be read: then a name that is missing may be one of those. */
  readonly complete: boolean;
}

/** A value or a list of values, each with its path. */
export function items<T>(value: T | readonly T[] | undefined, path: Path): readonly [T, Path][] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return [[value as T, path]];
  return value.map((item: T, i): [T, Path] => [item, [...path, i]]);
}

/** `a, b, c and 7 more` */
export function enumerate(names: readonly string[], most: number): string {
  const shown = names.slice(0, most).join(', ');
  return names.length <= most ? shown : `${shown} and ${names.length - most} more`;
}

export interface ReadContext {
  readonly report: Report;
  readonly path: Path;
}
