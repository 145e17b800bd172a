/**
 * Addresses of the clouds' own services must not be among those of the overlay: a pool is routed
 * into the tunnels, or is unreachable, and a machine that cannot reach its metadata service has no
 * keys, no name service, or no lease. Those of 169.254.0.0/16 and fe80::/10 are refused already, as
 * no prefix may hold link-local addresses.
 */
import type { Provider } from '../../encap/cluster.js';
import { parseAddress } from '../../encap/address.js';
import { prefixContains } from '../../encap/prefix.js';
import type { DraftNode, DraftZone, PlacedPrefix } from './draft.js';
import type { Report } from './report.js';

interface Service {
  readonly address: ReturnType<typeof parseAddress>;
  readonly provider: Provider;
  /** Refused in every file, or only where a zone has the provider. */
  readonly where: 'everywhere' | 'there';
  readonly what: string;
}

function service(text: string, provider: Provider, rest: Pick<Service, 'where' | 'what'>): Service {
  return { address: parseAddress(text), provider, ...rest };
}

const services: readonly Service[] = [
  service('fd00:ec2::254', 'aws', { where: 'everywhere', what: "EC2's metadata service" }),
  service('fd20:ce::254', 'gce', { where: 'there', what: "GCE's metadata service" }),
  service('fd00:c1::a9fe:a9fe', 'oci', { where: 'there', what: "OCI's metadata service" }),
  service('100.100.100.200', 'alibaba', { where: 'there', what: "Alibaba's metadata service" }),
  // Leases, names and health checks come from there.
  service('168.63.129.16', 'azure', { where: 'there', what: "Azure's platform services" }),
];

export interface OverlayPlan {
  readonly zones: readonly DraftZone[];
  readonly nodes: readonly DraftNode[];
  readonly pools: readonly PlacedPrefix[];
}

export function checkMetadata({ zones, nodes, pools }: OverlayPlan, report: Report): void {
  const providers = new Set(zones.map(({ zone }) => zone.provider));
  const concerned = services.filter(
    ({ where, provider }) => where === 'everywhere' || providers.has(provider),
  );
  const check = (placed: PlacedPrefix, what: 'pool' | 'prefix'): void => {
    const held = concerned.find(({ address }) => prefixContains(placed.prefix, address));
    if (held === undefined) return;
    report.add({
      code: 'metadata-address',
      path: placed.path,
      value: placed.prefix.text,
      message: `the ${what} holds ${held.address.text}, where ${held.what} must stay reachable outside of the tunnels`,
      remedy: 'write a smaller prefix, or one of another range, that does not hold it',
    });
  };
  for (const pool of pools) check(pool, 'pool');
  for (const { overlay } of nodes) for (const prefix of overlay) check(prefix, 'prefix');
}
