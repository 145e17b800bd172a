/** The words the kernel refuses with, and what its checks compare. */
import type { LinkObject, OwnLink, RouteTarget } from '../kernel.js';

/** Why the kernel refuses: the errno's name and its extended-ack text. */
export interface Refusal {
  readonly code: string;
  readonly text: string | undefined;
}

export const refuse = (code: string, text?: string): Refusal => ({ code, text });

/** IPv6 shows refusing routes on `lo`; the port names no device for them. */
export function deviceOf(target: RouteTarget): string | undefined {
  return target.kind === 'unicast' ? target.device : undefined;
}

export function macOf(link: LinkObject): string | undefined {
  return 'mac' in link ? link.mac : undefined;
}

export function isTwin(other: LinkObject, link: OwnLink): boolean {
  if (other.kind !== link.kind || other.name === link.name) return false;
  if (other.kind === 'vxlan' && link.kind === 'vxlan')
    return (
      other.vni === link.vni && other.port === link.port && other.local.family === link.local.family
    );
  // A second external ip6tnl device, or one with the same local address and no peer.
  if (other.kind === 'ip6tnl') return true;
  return 'local' in other && 'local' in link && other.local.text === link.local.text;
}

export function cannotChange(attribute: string): string | undefined {
  switch (attribute) {
    case 'vni':
      return 'Cannot change VNI';
    case 'port':
      return 'Cannot change port';
    case 'local family':
      return 'New local address family does not match old';
    default:
      return undefined;
  }
}
