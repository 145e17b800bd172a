/**
 * MTUs against what IPv6 needs. The schema refuses what is too small for anything; where overlay
 * or underlay are IPv6, 1280 is the floor (RFC 8200 section 5), and a path that has 1280 but not
 * the 50 bytes of VXLAN above it carries IPv6 only natively: worth a warning.
 */
import { minimumIpv6Mtu, overheadBytes } from '../../encap/mtu.js';
import type { DraftLink, DraftNode, DraftZone } from './draft.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';

export interface MtuParts {
  readonly zones: readonly DraftZone[];
  readonly links: readonly DraftLink[];
  readonly nodes: readonly DraftNode[];
}

export function checkMtus({ zones, links, nodes }: MtuParts, report: Report): void {
  const zonesWithIpv6 = new Set(nodes.filter(hasIpv6).map(({ node }) => node.zone));
  for (const draft of nodes)
    if (hasIpv6(draft)) checkMtu(draft.node.mtu, { report, path: [...draft.path, 'mtu'] });
  for (const { zone, path } of zones)
    if (zonesWithIpv6.has(zone.name)) checkMtu(zone.mtu, { report, path: [...path, 'mtu'] });
  if (zonesWithIpv6.size === 0) return;
  for (const { link, path } of links) checkMtu(link.mtu, { report, path: [...path, 'mtu'] });
}

function hasIpv6({ node }: DraftNode): boolean {
  return (
    node.overlay.some(({ family }) => family === 6) ||
    node.underlay.some(({ address }) => address.family === 6)
  );
}

function checkMtu(
  mtu: number | undefined,
  { report, path }: { readonly report: Report; readonly path: Path },
): void {
  if (mtu === undefined) return;
  const vxlan = overheadBytes({ mode: 'vxlan', outer: 4 });
  if (mtu < minimumIpv6Mtu) {
    report.add({
      code: 'mtu-too-small',
      path,
      value: String(mtu),
      message: `nodes here carry IPv6, which needs ${minimumIpv6Mtu} bytes on every link`,
      remedy: `write at least ${minimumIpv6Mtu}, better ${minimumIpv6Mtu + vxlan} or more`,
    });
  } else if (mtu < minimumIpv6Mtu + vxlan) {
    report.add({
      code: 'mtu-tight',
      severity: 'warning',
      path,
      value: String(mtu),
      message: `vxlan leaves ${mtu - vxlan} bytes, and IPv6 needs ${minimumIpv6Mtu}`,
      remedy: `IPv6 will pass here without vxlan only; ${minimumIpv6Mtu + vxlan} bytes would do`,
    });
  }
}
