/**
 * How what Selvage made is found again. EC2's routes carry no tags, so the interface that a route
 * leads to records it, one tag a route table:
 *
 *     eni-1   selvage:cluster            = prod
 *             selvage:node               = node-7
 *             selvage:source-dest-check  = switched off by selvage
 *             selvage:route:rtb-1        = 10.64.7.0/24 fd64:0:0:7::/64
 *     rtb-1   selvage:routes:prod        = made by selvage   (a node of the cluster has made one)
 *
 * The record is written before the route, so that a crash in between leaves a record too many and
 * never a route too many. An interface that goes takes its records along and leaves blackholes;
 * those are recognised by the mark of their table and by a destination in the cluster's pools.
 */
import { ec2Tags } from './actions.js';
import type { Element } from './xml.js';

export function tagsOf(item: Element): ReadonlyMap<string, string> {
  return new Map(
    item.items('tagSet').map((tag) => [tag.text('key') ?? '', tag.text('value') ?? '']),
  );
}

export const checkTagValue = 'switched off by selvage';

/** Longest value of a tag, and longest key. */
const valueLimit = 256;
const keyLimit = 128;

export const tableTagValue = 'made by selvage';

/** On a route table: nodes of this cluster have routes in it. A table may serve several. */
export function tableTag(cluster: string): string {
  return `${ec2Tags.tablePrefix}${cluster}`.slice(0, keyLimit);
}

export interface Owner {
  readonly cluster: string;
  readonly node: string;
}

/** A name as a tag's value can have it. */
export function tagValue(text: string): string {
  return text.slice(0, valueLimit);
}

export function ownedBy(tags: ReadonlyMap<string, string>, owner: Owner): boolean {
  return (
    tags.get(ec2Tags.cluster) === tagValue(owner.cluster) &&
    tags.get(ec2Tags.node) === tagValue(owner.node)
  );
}

/** Destinations that were recorded, by route table. */
export function recordedRoutes(
  tags: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly string[]> {
  const records = new Map<string, readonly string[]>();
  for (const [key, value] of tags)
    if (key.startsWith(ec2Tags.routePrefix))
      records.set(
        key.slice(ec2Tags.routePrefix.length),
        value.split(' ').filter((text) => text !== ''),
      );
  return records;
}

/** Undefined: they do not fit into one tag. */
export function routeRecord(destinations: readonly string[]): string | undefined {
  const text = [...destinations].sort().join(' ');
  return text.length > valueLimit ? undefined : text;
}

/** `Tag.1.Key=…&Tag.1.Value=…`; without values for DeleteTags, which then heeds the keys alone. */
export function tagParameters(
  resource: string,
  tags: ReadonlyMap<string, string> | ReadonlySet<string>,
): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = { 'ResourceId.1': resource };
  for (const [i, key] of [...tags.keys()].entries()) {
    parameters[`Tag.${i + 1}.Key`] = key;
    if (tags instanceof Map) parameters[`Tag.${i + 1}.Value`] = String(tags.get(key));
  }
  return parameters;
}
