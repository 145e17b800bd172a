/**
 * Nodes in classes that no rule, fact, link or switch can tell apart.
 *
 * All that a decision looks at is of one of two kinds. Attributes of one node by itself (zone,
 * switches, MTU, abilities, the answers to the rules' selectors, its families): nodes with equal
 * attributes are one class. And relations of the two nodes of a pair (same subnet? same segment?):
 * these are equalities of a few identities that each node has, so a class is a handful of cells,
 * one for each combination of identities. What a pair of nodes is decided to do follows from the
 * two classes and from which of the identities are equal.
 *
 * With two clusters side by side a class is of nodes that are alike in both.
 */
import type { Family } from '../address.js';
import { familyBits } from '../address.js';
import type { Cluster, ClusterNode } from '../cluster.js';
import { underlayAddress } from '../cluster.js';
import type { Site } from '../relation.js';
import { siteOf, subnetOf } from '../relation.js';
import type { HeldAddresses } from './held-addresses.js';
import { heldAddresses } from './held-addresses.js';
import { selectorAnswers } from './selector-answers.js';

/** Nodes of a class with equal identities. */
export interface Cell {
  /** Those that tell pairs apart; -1 is equal to nothing, not even to itself. */
  readonly ids: readonly number[];
  count: number;
  /** Up to two names, to stand for all. */
  readonly names: string[];
}

export interface NodeClass {
  readonly index: number;
  /** By cluster; undefined where these nodes are not part of it. */
  readonly zones: readonly (string | undefined)[];
  readonly cells: readonly Cell[];
  readonly size: number;
}

export interface Classes {
  readonly list: readonly NodeClass[];
  /** Nodes of all the clusters; those of one name are one node. */
  readonly nodes: number;
}

export function classify(clusters: readonly Cluster[]): Classes {
  const views = clusters.map(viewOf);
  const names = new Set<string>();
  for (const { nodes } of clusters)
    for (const { name, withdrawn } of nodes.values()) if (!withdrawn) names.add(name);
  const ids = new Interned();
  const all = [...names].map((name): Member => {
    const parts = views.map((view) => view(name));
    return {
      name,
      key: parts.map((part) => part?.key ?? '').join('\n'),
      zones: parts.map((part) => part?.zone),
      ids: parts.flatMap(
        (part, i) => part?.ids.map((id) => (id === undefined ? -1 : ids.of(`${i} ${id}`))) ?? noIds,
      ),
    };
  });
  const members = withoutLoners(all);
  const kept = tellingIdentities(members);
  return { list: inClasses(members, kept), nodes: names.size };
}

interface Member {
  readonly name: string;
  readonly key: string;
  readonly zones: readonly (string | undefined)[];
  readonly ids: readonly number[];
}

const families = [4, 6] as const;
const noIds = [-1, -1, -1, -1];

interface View {
  readonly key: string;
  readonly zone: string;
  /** Subnet and segment for each family; undefined is equal to nothing. */
  readonly ids: readonly (string | undefined)[];
}

function viewOf(cluster: Cluster): (name: string) => View | undefined {
  const answers = selectorAnswers(cluster);
  const held = heldAddresses(cluster);
  return (name) => {
    const node = cluster.nodes.get(name);
    if (node === undefined || node.withdrawn) return undefined;
    const site = siteOf(cluster, node);
    return {
      zone: node.zone,
      key: `${site.kind} ${answers(node)} ${families.map((family) => familyKey(site, { family, held })).join(' ')}`,
      ids: families.flatMap((family) => [
        // Nodes without an address of the family are in one "subnet" as the rules see it.
        `${family} subnet ${node.zone}|${subnetOf(site, family)?.text ?? ''}`,
        segmentId(site, family),
      ]),
    };
  };
}

/** What the family of a node contributes, whoever the other node is. */
function familyKey(
  site: Site,
  { family, held }: { readonly family: Family; readonly held: HeldAddresses },
): string {
  const { node } = site;
  return [
    endKind(node, family),
    node.overlay.some((prefix) => prefix.family === family) ? 'o' : '-',
    site.attachments[family]?.declared?.segment === undefined ? '-' : 's',
    held.has(node.name, family) ? 'h' : '-',
  ].join('');
}

/** Has it an address of its own, and is it, or the published one, what others reach it by? */
function endKind(node: ClusterNode, family: Family): string {
  const own = underlayAddress(node, family)?.address;
  const published = node.publicAddresses.find((address) => address.family === family);
  if (own === undefined) return published === undefined ? '-' : 'p';
  return own.text === published?.text ? 'P' : 'u';
}

/** Equal for nodes that `sameSegment` calls neighbours. */
function segmentId(site: Site, family: Family): string | undefined {
  const own = site.attachments[family];
  if (own === undefined) return undefined;
  if (own.declared?.segment !== undefined) return `${family} segment ${own.declared.segment}`;
  if (own.length === familyBits(family)) return undefined;
  return `${family} network ${site.zone.name}|${own.network.text}`;
}

class Interned {
  readonly #ids = new Map<string, number>();

  of(text: string): number {
    let id = this.#ids.get(text);
    if (id === undefined) this.#ids.set(text, (id = this.#ids.size));
    return id;
  }
}

/** An identity that no other node shares is equal to nothing. */
function withoutLoners(members: readonly Member[]): readonly Member[] {
  const uses = new Map<number, number>();
  for (const { ids } of members)
    for (const id of ids) if (id >= 0) uses.set(id, (uses.get(id) ?? 0) + 1);
  return members.map((member) => ({
    ...member,
    ids: member.ids.map((id) => (uses.get(id) === 1 ? -1 : id)),
  }));
}

/** The identities that tell pairs apart: none that no two nodes share, nor one that repeats another. */
function tellingIdentities(members: readonly Member[]): readonly number[] {
  const kept: number[] = [];
  const count = members[0]?.ids.length ?? 0;
  for (let i = 0; i < count; i++)
    if (
      members.some(({ ids }) => ids[i]! >= 0) &&
      !kept.some((other) => equalPartitions(members, i, other))
    )
      kept.push(i);
  return kept;
}

function equalPartitions(members: readonly Member[], a: number, b: number): boolean {
  const there = new Map<number, number>();
  const back = new Map<number, number>();
  for (const { ids } of members) {
    const [left, right] = [ids[a]!, ids[b]!];
    if (left < 0 || right < 0) {
      if (left !== right) return false;
      continue;
    }
    if ((there.get(left) ?? right) !== right || (back.get(right) ?? left) !== left) return false;
    there.set(left, right);
    back.set(right, left);
  }
  return true;
}

function inClasses(members: readonly Member[], kept: readonly number[]): readonly NodeClass[] {
  interface Draft {
    readonly zones: NodeClass['zones'];
    readonly cells: Map<string, Cell>;
    size: number;
  }
  const drafts = new Map<string, Draft>();
  for (const { name, key, zones, ids } of members) {
    let draft = drafts.get(key);
    if (draft === undefined) drafts.set(key, (draft = { zones, cells: new Map(), size: 0 }));
    const own = kept.map((i) => ids[i]!);
    const cellKey = own.join(' ');
    let cell = draft.cells.get(cellKey);
    if (cell === undefined) draft.cells.set(cellKey, (cell = { ids: own, count: 0, names: [] }));
    cell.count++;
    draft.size++;
    if (cell.names.length < 2) cell.names.push(name);
  }
  return [...drafts.values()].map(({ zones, cells, size }, index) => ({
    index,
    zones,
    cells: [...cells.values()],
    size,
  }));
}
