/** Route tables as DescribeRouteTables tells them, and which of them carry the cluster's packets. */
import { tryParsePrefix, type Prefix } from '../../../encap/prefix.js';
import type { Ec2Client } from './ec2-client.js';
import { filters, inBatches } from './ec2-client.js';
import { tagsOf } from './tags.js';
import type { Element } from './xml.js';

export interface VpcRoute {
  readonly destination: Prefix;
  /** `active`, `blackhole` or `filtered`. */
  readonly state: string;
  /** Where it leads when that is an interface. */
  readonly interfaceId: string | undefined;
  /** For people, whatever it is: `igw-1`, `eni-1`. */
  readonly target: string;
  /** Written by a call, and not learned from a gateway nor made with the table. */
  readonly written: boolean;
}

export interface RouteTable {
  readonly id: string;
  readonly main: boolean;
  /** Subnets that are associated with it by name; others use the main table. */
  readonly subnets: readonly string[];
  readonly routes: readonly VpcRoute[];
  readonly tags: ReadonlyMap<string, string>;
}

const targets = [
  'networkInterfaceId',
  'gatewayId',
  'natGatewayId',
  'transitGatewayId',
  'vpcPeeringConnectionId',
  'localGatewayId',
  'carrierGatewayId',
  'egressOnlyInternetGatewayId',
  'coreNetworkArn',
  'instanceId',
] as const;

/** Undefined for a prefix list and for what else has no prefix as its destination. */
function readRoute(item: Element): VpcRoute | undefined {
  const text = item.text('destinationCidrBlock') ?? item.text('destinationIpv6CidrBlock');
  const destination = text === undefined ? 'no-prefix' : tryParsePrefix(text);
  if (typeof destination === 'string') return undefined;
  const target = targets.flatMap((name) => item.text(name) ?? [])[0];
  return {
    destination,
    state: item.text('state') ?? 'unknown',
    interfaceId: item.text('networkInterfaceId'),
    target: target ?? 'nothing',
    written: item.text('origin') === 'CreateRoute',
  };
}

function readTable(item: Element): RouteTable {
  const associations = item.items('associationSet');
  return {
    id: item.text('routeTableId') ?? '',
    main: associations.some((entry) => entry.flag('main') === true),
    subnets: associations.flatMap((entry) => entry.text('subnetId') ?? []),
    routes: item.items('routeSet').flatMap((route) => readRoute(route) ?? []),
    tags: tagsOf(item),
  };
}

/** Few enough that a page of full tables (1000 routes each) stays within the client's limit. */
const pageSize = 20;

export interface TableSearch {
  readonly vpcId: string;
  /** Subnets that hold cluster nodes. */
  readonly subnets: readonly string[];
  /** Tables that are wanted besides, as records name them. */
  readonly tables: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

export interface FoundTables {
  /** The main table and those of the subnets: a prefix has to be routed in each. */
  readonly carrying: readonly RouteTable[];
  /** Only named by records. */
  readonly others: readonly RouteTable[];
}

/** Two calls for up to 200 subnets, and one more where a record names another table. */
export async function findTables(client: Ec2Client, search: TableSearch): Promise<FoundTables> {
  const found = new Map<string, RouteTable>();
  const ask = async (wanted: Readonly<Record<string, readonly string[]>>): Promise<void> => {
    const items = await client.list('DescribeRouteTables', {
      parameters: filters(wanted),
      list: 'routeTableSet',
      pageSize,
      signal: search.signal,
    });
    for (const table of items.map(readTable)) found.set(table.id, table);
  };
  await ask({ 'association.main': ['true'], 'vpc-id': [search.vpcId] });
  for (const batch of inBatches(search.subnets)) await ask({ 'association.subnet-id': batch });
  const carrying = [...found.values()].sort(byId);
  const rest = search.tables.filter((id) => !found.has(id));
  for (const batch of inBatches(rest)) await ask({ 'route-table-id': batch });
  return {
    carrying,
    others: rest.flatMap((id) => found.get(id) ?? []).sort(byId),
  };
}

function byId(a: RouteTable, b: RouteTable): number {
  return a.id < b.id ? -1 : Number(a.id > b.id);
}
