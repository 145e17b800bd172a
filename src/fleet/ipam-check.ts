/**
 * What is wrong with blocks and claims: overlaps, leaks, claims of what is another's. Agents refuse
 * such claims by themselves; here they are told with what to do about each.
 */
import type { Prefix } from '../../encap/prefix.js';
import { comparePrefixes, prefixCovers } from '../../encap/prefix.js';
import { inPools } from './allocate.js';
import type { Fleet } from './reading.js';

export const ipamCodes = [
  'block-overlap',
  'block-outside-pools',
  'block-without-node',
  'block-unclaimed',
  'claim-without-block',
  'address-conflict',
  'unreadable-value',
] as const;
export type IpamCode = (typeof ipamCodes)[number];

export interface IpamFinding {
  readonly code: IpamCode;
  /** Prefix or address that it is about; empty for a value that cannot be read. */
  readonly subject: string;
  /** Whose it is, or who claims it. */
  readonly node: string | null;
  readonly text: string;
  readonly remedy: string;
}

export function checkIpam(fleet: Fleet): readonly IpamFinding[] {
  return [
    ...overlaps(fleet),
    ...fleet.blocks.flatMap((block) => checkBlock(block, fleet)),
    ...claims(fleet),
    ...addresses(fleet),
    ...fleet.problems.map((text): IpamFinding => ({
      code: 'unreadable-value',
      subject: '',
      node: null,
      text,
      remedy: 'see who writes there; delete the key if it is of no use',
    })),
  ];
}

interface Item {
  readonly prefix: Prefix;
  readonly node: string;
  readonly what: string;
  /** 0: the configuration's, which goes before everything. */
  readonly createRevision: number;
}

/** Prefixes nest or are disjoint, so one sweep with a stack finds every pair that overlaps. */
function overlaps({ blocks, cluster }: Fleet): IpamFinding[] {
  const items: Item[] = [
    ...blocks.map((block) => ({ ...block, what: `block ${block.prefix.text} of ${block.node}` })),
    ...[...cluster.nodes.values()].flatMap(({ name, overlay }) =>
      overlay.map((prefix) => ({
        prefix,
        node: name,
        what: `${prefix.text} of the listed node ${name}`,
        createRevision: 0,
      })),
    ),
  ].sort((a, b) => comparePrefixes(a.prefix, b.prefix));
  const stack: Item[] = [];
  return items.flatMap((item) => {
    while (stack.length > 0 && !prefixCovers(stack.at(-1)!.prefix, item.prefix)) stack.pop();
    const outer = stack.at(-1);
    stack.push(item);
    if (outer === undefined || (outer.createRevision === 0 && item.createRevision === 0)) return [];
    const [first, second] =
      outer.createRevision < item.createRevision ? [outer, item] : [item, outer];
    return [
      {
        code: 'block-overlap',
        subject: second.prefix.text,
        node: second.node,
        text: `${second.what} overlaps ${first.what}, which was first`,
        remedy: `have ${second.node} join again after "selvage ipam release ${second.prefix.text} --force"`,
      },
    ];
  });
}

function checkBlock(block: Fleet['blocks'][number], fleet: Fleet): IpamFinding[] {
  const { prefix, node } = block;
  const about = { subject: prefix.text, node };
  const outside: IpamFinding[] = inPools(fleet.cluster.pools, prefix)
    ? []
    : [
        {
          ...about,
          code: 'block-outside-pools',
          text: `block ${prefix.text} of ${node} is in no pool of the configuration`,
          remedy: `add the pool again, or have ${node} join again and release the block`,
        },
      ];
  const record = fleet.records.get(node);
  if (record === undefined) {
    const isListed = fleet.cluster.nodes.get(node) !== undefined;
    return [
      ...outside,
      {
        ...about,
        code: 'block-without-node',
        text: isListed
          ? `block ${prefix.text} is of ${node}, which the configuration lists with prefixes of its own`
          : `block ${prefix.text} is of ${node}, which is not registered: a join or a leave ended in the middle`,
        remedy: `selvage ipam release ${prefix.text}${isListed ? '' : `, or let ${node} join`}`,
      },
    ];
  }
  if (record.overlay.some(({ text }) => text === prefix.text)) return outside;
  return [
    ...outside,
    {
      ...about,
      code: 'block-unclaimed',
      text: `block ${prefix.text} is of ${node}, whose record does not claim it`,
      remedy: `selvage ipam release ${prefix.text}, or let ${node} join again`,
    },
  ];
}

/** Prefixes in records that are no block of their node. */
function claims({ records, blocks }: Fleet): IpamFinding[] {
  const ownerOf = new Map(blocks.map((block) => [block.prefix.text, block.node]));
  return [...records.values()].flatMap((record) =>
    record.overlay.flatMap(({ text }): IpamFinding[] => {
      const owner = ownerOf.get(text);
      if (owner === record.name) return [];
      return [
        {
          code: 'claim-without-block',
          subject: text,
          node: record.name,
          text: `the record of ${record.name} claims ${text}, which is ${owner === undefined ? 'no block' : `the block of ${owner}`}: agents refuse the record`,
          remedy: `have ${record.name} join again; if it did not write this itself, replace the machine and its account`,
        },
      ];
    }),
  );
}

function addresses({ records, cluster }: Fleet): IpamFinding[] {
  const first = new Map<string, string>();
  for (const { name, underlay } of cluster.nodes.values())
    for (const { address } of underlay) first.set(address.text, name);
  const inOrder = [...records.values()].sort((a, b) => a.createRevision - b.createRevision);
  return inOrder.flatMap((record) =>
    record.addresses.flatMap((address): IpamFinding[] => {
      const other = first.get(address);
      if (other === undefined || other === record.name) {
        first.set(address, record.name);
        return [];
      }
      return [
        {
          code: 'address-conflict',
          subject: address,
          node: record.name,
          text: `the record of ${record.name} claims the address ${address}, which is that of ${other}: agents refuse the record`,
          remedy: `give one of them another address and have it join again, or "selvage node leave --name ${other}" if it is gone`,
        },
      ];
    }),
  );
}
