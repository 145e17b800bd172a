/** Kernel objects as the arguments of the `ip`, `bridge` or `sysctl` command that would make them. */
import type { KernelObject, LinkObject, RouteTarget } from './kernel.js';

export function formatObject(object: KernelObject): string {
  switch (object.type) {
    case 'link':
      return `link ${object.name} ${linkDetails(object)} mtu ${object.mtu} ${object.up ? 'up' : 'down'}`;
    case 'address':
      return `addr ${object.address.address.text}/${object.address.length} dev ${object.device}`;
    case 'neighbour':
      return `neigh ${object.address.text} lladdr ${object.mac} dev ${object.device} nud permanent`;
    case 'fdb':
      return `fdb ${object.mac} dev ${object.device} dst ${object.remote.text} self permanent`;
    case 'route':
      return (
        `route ${routeDetails(object.prefix.text, object.target)} ` +
        `table ${object.table} proto ${object.protocol} metric ${object.metric}`
      );
    case 'sysctl':
      return `sysctl ${object.path}=${object.value}`;
  }
}

function linkDetails(link: LinkObject): string {
  switch (link.kind) {
    case 'vxlan':
      return (
        `address ${link.mac} type vxlan id ${link.vni} dstport ${link.port} local ${link.local.text}` +
        `${link.parent === undefined ? '' : ` dev ${link.parent}`} ${link.learning ? '' : 'no'}learning` +
        ` df ${link.df} ttl ${link.ttl} tos ${link.tos}`
      );
    case 'ipip':
    case 'sit':
      return (
        `type ${link.kind} local ${link.local.text} remote any ttl ${link.ttl} tos ${link.tos}` +
        ` ${link.pmtudisc ? '' : 'no'}pmtudisc`
      );
    case 'ip6tnl':
      return `type ip6tnl external local ${link.local.text} ttl ${link.ttl} tos ${link.tos} encaplimit none`;
    case 'tun':
      return `type tun txqueuelen ${link.queuePackets}`;
    case 'other':
      return `type ${link.kernelKind ?? 'none'}${link.mac === undefined ? '' : ` address ${link.mac}`}`;
  }
}

function routeDetails(prefix: string, target: RouteTarget): string {
  switch (target.kind) {
    case 'blackhole':
    case 'unreachable':
    case 'prohibit':
      return `${target.kind} ${prefix}`;
    case 'other':
      return `${prefix} (${target.description})`;
    case 'unicast': {
      const parts = [prefix];
      if (target.encapDestination !== undefined)
        parts.push(`encap ip6 dst ${target.encapDestination.text}`);
      if (target.gateway !== undefined) parts.push(`via ${target.gateway.text}`);
      parts.push(`dev ${target.device}`);
      if (target.onlink) parts.push('onlink');
      if (target.preferredSource !== undefined) parts.push(`src ${target.preferredSource.text}`);
      if (target.mtu !== undefined) parts.push(`mtu ${target.mtu}`);
      return parts.join(' ');
    }
  }
}
