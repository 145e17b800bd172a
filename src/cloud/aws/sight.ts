/**
 * What a reading asks EC2 for, and for how long an answer is kept. One reading of a small cluster
 * is six calls: the own interfaces, those of the peers (one a family for each 200 addresses),
 * the main route table, the subnets' route tables, security groups and network ACLs.
 */
import type { ClusterNode } from '../../../encap/cluster.js';
import { CloudError, type CloudQuestion } from '../control.js';
import { type NetworkAcl, findAcls } from './acls.js';
import { ec2Tags, type ec2ReadActions } from './actions.js';
import type { Ec2Client } from './ec2-client.js';
import { type SecurityGroup, findGroups } from './groups.js';
import { type NetworkInterface, interfacesHolding, interfacesOf } from './interfaces.js';
import { type Pace, paceFor } from './pace.js';
import { type Places, awsNodes, placesOf } from './places.js';
import { type FoundTables, findTables } from './tables.js';
import { recordedRoutes, tagValue } from './tags.js';

export interface Sight {
  /** All nodes of AWS zones of this region, found or not. */
  readonly nodes: readonly ClusterNode[];
  readonly places: Places;
  /** All interfaces of this instance. */
  readonly own: readonly NetworkInterface[];
  /** Undefined: reading it is not permitted; `problems` says so. */
  readonly tables: FoundTables | undefined;
  readonly groups: ReadonlyMap<string, SecurityGroup> | undefined;
  /** By subnet. */
  readonly acls: ReadonlyMap<string, NetworkAcl> | undefined;
  readonly problems: readonly string[];
  readonly pace: Pace;
}

interface Kept<T> {
  readonly value: T;
  readonly key: string;
  readonly atMs: number;
}

export interface LookOptions {
  readonly client: Ec2Client;
  readonly instanceId: string;
  readonly now: () => number;
}

/** Asks what is not known, or has been known for too long. */
export class Lookout {
  readonly #options: LookOptions;
  readonly #kept = new Map<string, Kept<unknown>>();
  /** By address; undefined: no interface of the VPC holds it. */
  readonly #holders = new Map<
    string,
    { readonly holder: NetworkInterface | undefined; readonly atMs: number }
  >();

  constructor(options: LookOptions) {
    this.#options = options;
  }

  /** Something was changed: what this node answers for is read anew. */
  forget(): void {
    this.#kept.delete('own');
    this.#kept.delete('tables');
  }

  /** Rejects with a CloudError where not even the interfaces can be read. */
  async look(question: CloudQuestion, parts: { readonly firewalls: boolean }): Promise<Sight> {
    const { client, instanceId } = this.#options;
    const { signal } = question;
    const nodes = awsNodes(question.cluster, client.region);
    const pace = paceFor(nodes.length);
    const problems: string[] = [];
    const allowed = orNot(problems);
    const own = await this.#keep('own', { key: instanceId, forMs: pace.ownMs }, () =>
      interfacesOf(client, instanceId, { signal }),
    );
    const vpcId = vpcOf(own, question);
    if (vpcId === undefined) {
      const places = placesOf(nodes, own);
      return { nodes, places, own, ...unknown, problems, pace };
    }
    const peers = await this.#peers(question, { nodes, own, vpcId, forMs: pace.peersMs });
    const places = placesOf(nodes, [...peers, ...own]);
    const held = [...places.values()].flatMap((place) => place.interfaces);
    const subnets = distinct(held.map((entry) => entry.subnetId));
    const recorded = distinct(own.flatMap((entry) => [...recordedRoutes(entry.tags).keys()]));
    const tables = await allowed('DescribeRouteTables', () =>
      this.#keep('tables', { key: [...subnets, ...recorded].join(), forMs: pace.ownMs }, () =>
        findTables(client, { vpcId, subnets, tables: recorded, signal }),
      ),
    );
    if (!parts.firewalls) return { nodes, places, own, ...unknown, tables, problems, pace };
    const ids = distinct(held.flatMap((entry) => entry.groups));
    const groups = await allowed('DescribeSecurityGroups', () =>
      this.#keep('groups', { key: ids.join(), forMs: pace.peersMs }, () =>
        findGroups(client, ids, signal),
      ),
    );
    const acls = await allowed('DescribeNetworkAcls', () =>
      this.#keep('acls', { key: subnets.join(), forMs: pace.peersMs }, () =>
        findAcls(client, subnets, signal),
      ),
    );
    return { nodes, places, own, tables, groups, acls, problems, pace };
  }

  async #keep<T>(
    name: string,
    options: { readonly key: string; readonly forMs: number },
    ask: () => Promise<T>,
  ): Promise<T> {
    const atMs = this.#options.now();
    const kept = this.#kept.get(name) as Kept<T> | undefined;
    if (kept?.key === options.key && atMs - kept.atMs < options.forMs) return kept.value;
    const value = await ask();
    this.#kept.set(name, { value, key: options.key, atMs });
    return value;
  }

  async #peers(
    question: CloudQuestion,
    search: {
      readonly nodes: readonly ClusterNode[];
      readonly own: readonly NetworkInterface[];
      readonly vpcId: string;
      readonly forMs: number;
    },
  ): Promise<readonly NetworkInterface[]> {
    const atMs = this.#options.now();
    const mine = new Set(search.own.flatMap((entry) => entry.addresses));
    const wanted = distinct(
      search.nodes.flatMap((node) => node.underlay.map(({ address }) => address.text)),
    ).filter((text) => !mine.has(text));
    const asked = wanted.filter((text) => {
      const known = this.#holders.get(text);
      return known === undefined || atMs - known.atMs >= search.forMs;
    });
    const found = await interfacesHolding(this.#options.client, {
      vpcId: search.vpcId,
      cluster: tagValue(question.cluster.name),
      clusterTag: ec2Tags.cluster,
      addresses: asked,
      signal: question.signal,
    });
    const byAddress = new Map(
      found.flatMap((entry) => entry.addresses.map((address) => [address, entry] as const)),
    );
    for (const text of asked) this.#holders.set(text, { holder: byAddress.get(text), atMs });
    const still = new Set(wanted);
    for (const text of this.#holders.keys()) if (!still.has(text)) this.#holders.delete(text);
    return distinct(wanted.map((text) => this.#holders.get(text)?.holder));
  }
}

const unknown = { tables: undefined, groups: undefined, acls: undefined } as const;

/** The VPC of the interface that holds the node's address, or else of the first one. */
function vpcOf(own: readonly NetworkInterface[], question: CloudQuestion): string | undefined {
  const addresses = new Set(question.self.underlay.map(({ address }) => address.text));
  const holder = own.find((entry) => entry.addresses.some((text) => addresses.has(text)));
  return (
    holder?.vpcId ??
    own.find((entry) => entry.deviceIndex === 0)?.vpcId ??
    question.machine.nics.find((nic) => nic.network !== undefined)?.network
  );
}

/** What may not be read is a problem, and unknown; all else that goes wrong ends the reading. */
function orNot(problems: string[]) {
  return async <T>(
    action: (typeof ec2ReadActions)[number],
    ask: () => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof CloudError) || error.failure !== 'denied') throw error;
      problems.push(`${error.message}; until then what ${action} tells counts as unknown`);
      return undefined;
    }
  };
}

function distinct<T>(values: readonly (T | undefined)[]): readonly T[] {
  return [...new Set(values.filter((value) => value !== undefined))];
}
