/** Kernel objects in one line each, in the words of iproute2, for plans, logs and explanations. */
import type { KernelObject, RouteTarget } from '../tunnel/kernel.js';

export function printObject(object: KernelObject): string {
  switch (object.type) {
    case 'link':
      return printLink(object);
    case 'address':
      return `address ${object.address.address.text}/${object.address.length} dev ${object.device}`;
    case 'neighbour':
      return `neighbour ${object.address.text} lladdr ${object.mac} dev ${object.device} permanent`;
    case 'fdb':
      return `fdb ${object.mac} dst ${object.remote.text} dev ${object.device} self permanent`;
    case 'route':
      return `route ${printTarget(object.prefix.text, object.target)} metric ${object.metric} proto ${object.protocol}${object.table === 254 ? '' : ` table ${object.table}`}`;
    case 'sysctl':
      return `sysctl ${object.path} = ${object.value}`;
  }
}

function printLink(link: Extract<KernelObject, { readonly type: 'link' }>): string {
  const base = `link ${link.name} type ${link.kind === 'other' ? (link.kernelKind ?? 'nic') : link.kind} mtu ${link.mtu} ${link.up ? 'up' : 'down'}`;
  switch (link.kind) {
    case 'vxlan':
      return `${base} id ${link.vni} dstport ${link.port} local ${link.local.text}${link.parent === undefined ? '' : ` dev ${link.parent}`} ${link.learning ? 'learning' : 'nolearning'} df ${link.df} ttl ${link.ttl} tos ${link.tos} address ${link.mac}`;
    case 'ipip':
    case 'sit':
    case 'ip6tnl':
      return `${base} local ${link.local.text} remote any ttl ${link.ttl} tos ${link.tos} ${link.pmtudisc ? 'pmtudisc' : 'nopmtudisc'}`;
    case 'tun':
    case 'other':
      return base;
  }
}

function printTarget(prefix: string, target: RouteTarget): string {
  switch (target.kind) {
    case 'blackhole':
    case 'unreachable':
    case 'prohibit':
      return `${target.kind} ${prefix}`;
    case 'other':
      return `${prefix} ${target.description}`;
    case 'unicast':
      return [
        prefix,
        target.encapDestination === undefined
          ? ''
          : `encap ip6 dst ${target.encapDestination.text}`,
        target.gateway === undefined ? '' : `via ${target.gateway.text}`,
        `dev ${target.device}`,
        target.onlink ? 'onlink' : '',
        target.mtu === undefined ? '' : `mtu ${target.mtu}`,
        target.preferredSource === undefined ? '' : `src ${target.preferredSource.text}`,
      ]
        .filter((part) => part !== '')
        .join(' ');
  }
}
