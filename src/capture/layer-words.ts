/** One header of a captured packet in a few words. */
import { hopsLeft } from '../../encap/wire/ip.js';
import type { IcmpLayer, Layer } from '../../encap/wire/stack.js';

export function describeLayer(layer: Layer): string {
  switch (layer.kind) {
    case 'ethernet':
      return `Ethernet ${layer.source} → ${layer.destination}`;
    case 'ip': {
      const cut =
        layer.family === 4
          ? fragmentWords({ offset: layer.fragmentOffset, moreFragments: layer.moreFragments })
          : layer.fragment && fragmentWords(layer.fragment);
      const flags = [
        layer.family === 4 ? `TTL ${hopsLeft(layer)}` : `hops ${hopsLeft(layer)}`,
        ...(layer.family === 4 && layer.dontFragment ? ['DF'] : []),
        ...(cut === undefined ? [] : [cut]),
      ].join(', ');
      return `IPv${layer.family} ${layer.source.text} → ${layer.destination.text} (${flags})`;
    }
    case 'udp':
      return `UDP ${layer.sourcePort} → ${layer.destinationPort}`;
    case 'vxlan':
      return `VXLAN VNI ${layer.vni}`;
    case 'tcp':
      return `TCP ${layer.sourcePort} → ${layer.destinationPort}`;
    case 'icmp':
      return icmpWords(layer);
    case 'payload':
      return `${layer.length} B of data`;
  }
}

function fragmentWords(fragment: {
  readonly offset: number;
  readonly moreFragments: boolean;
}): string | undefined {
  if (fragment.offset === 0 && !fragment.moreFragments) return undefined;
  return `piece at ${fragment.offset}${fragment.moreFragments ? ', more follow' : ', the last'}`;
}

/** RFC 792 and RFC 4443: the messages that matter on a path. */
const icmpNames: Readonly<Record<4 | 6, Readonly<Record<number, string>>>> = {
  4: { 0: 'echo reply', 3: 'unreachable', 5: 'redirect', 8: 'echo request', 11: 'time exceeded' },
  6: {
    1: 'unreachable',
    2: 'packet too big',
    3: 'time exceeded',
    128: 'echo request',
    129: 'echo reply',
    135: 'neighbour solicitation',
    136: 'neighbour advertisement',
  },
};

function icmpWords({ family, type, code, echo }: IcmpLayer): string {
  const name = icmpNames[family][type] ?? `type ${type}`;
  const version = family === 4 ? 'ICMP' : 'ICMPv6';
  if (echo !== undefined) return `${version} ${name} id ${echo.identifier} seq ${echo.sequence}`;
  return `${version} ${name}${code === 0 ? '' : ` code ${code}`}`;
}
