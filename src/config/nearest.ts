/**
 * The known word nearest to one that an operator wrote: first the words that people use for the
 * same thing, then the edit distance.
 */

/** Other words for values, by the right one; matched without case, dashes and underscores. */
const valueSynonyms: Readonly<Record<string, readonly string[]>> = {
  aws: ['amazon', 'ec2', 'eks', 'amazonaws'],
  gce: ['gcp', 'google', 'googlecloud', 'gke', 'googlecomputeengine'],
  azure: ['az', 'microsoft', 'msazure', 'aks', 'azurerm'],
  openstack: ['nova', 'neutron', 'ovh'],
  hetzner: ['hcloud', 'hetznercloud'],
  digitalocean: ['do', 'docean'],
  ibm: ['ibmcloud', 'softlayer'],
  oci: ['oracle', 'oraclecloud'],
  alibaba: ['aliyun', 'alicloud', 'alibabacloud'],
  onprem: ['onpremises', 'onpremise', 'baremetal', 'metal', 'local', 'datacenter', 'dc', 'vmware'],
  'onprem-bgp': ['bgp', 'calicobgp'],
  native: ['direct', 'plain', 'none', 'unencapsulated', 'never', 'routed'],
  ipip: ['ipinip', 'ip4ip4', '4in4', 'ipencap', 'protocol4'],
  vxlan: ['vx', 'vxlanudp', 'udp'],
  auto: ['automatic', 'any', 'default', 'best'],
  deny: ['drop', 'block', 'reject', 'prohibit', 'refuse'],
  disabled: ['disable', 'off', 'no', 'false', '0'],
  enabled: ['enable', 'on', 'yes', 'true', '1'],
  allowed: ['allow', 'open', 'accept', 'permit', 'permitted', 'yes', 'true', 'on', 'enabled'],
  blocked: ['block', 'deny', 'denied', 'closed', 'drop', 'no', 'false', 'off', 'disabled'],
  present: ['yes', 'true', 'on', 'known', 'learned', 'enabled'],
  absent: ['no', 'false', 'off', 'unknown', 'missing', 'disabled'],
  userspace: ['user', 'tun'],
  subnet: ['network', 'cidr', 'prefix'],
  segment: ['l2', 'vlan', 'broadcastdomain'],
  region: ['location'],
  zone: ['az', 'availabilityzone', 'rack'],
  provider: ['cloud'],
};

/** Other words for keys, by the right one. */
const keySynonyms: Readonly<Record<string, readonly string[]>> = {
  name: ['hostname', 'host', 'id'],
  address: ['ip', 'ipaddress', 'underlay', 'privateip', 'internalip', 'addr'],
  addresses: ['ips', 'ipaddresses'],
  publicAddress: ['publicip', 'externalip', 'public', 'externaladdress'],
  overlay: ['podcidr', 'podcidrs', 'prefix', 'prefixes', 'cidr', 'cidrs', 'pods', 'podsubnet'],
  pools: ['ippools', 'pool', 'prefixes', 'cidrs', 'clustercidr'],
  subnets: ['subnet', 'cidr', 'cidrs', 'networks', 'network', 'prefixes'],
  prefix: ['cidr', 'subnet', 'network'],
  provider: ['cloud', 'type', 'platform'],
  zone: ['az', 'availabilityzone', 'rack', 'site'],
  zones: ['racks', 'sites', 'availabilityzones'],
  nodes: ['hosts', 'machines', 'members', 'peers', 'servers'],
  links: ['paths', 'connections'],
  rules: ['policies', 'policy'],
  cluster: ['name', 'clustername'],
  version: ['apiversion', 'schemaversion'],
  mode: ['encapsulation', 'encap', 'action', 'result', 'type'],
  modes: ['allowedmodes', 'allow', 'allowmodes'],
  from: ['source', 'src'],
  to: ['destination', 'dst', 'dest'],
  between: ['ends', 'endpoints', 'zones', 'peers'],
  reason: ['comment', 'why', 'description', 'note'],
  note: ['comment', 'description', 'reason'],
  label: ['labels', 'selector', 'tag', 'tags'],
  labels: ['tags', 'tag', 'metadata'],
  vni: ['vnid', 'id', 'vxlanid'],
  port: ['dstport', 'udpport', 'vxlanport'],
  sourceDestinationCheck: ['srcdstcheck', 'sourcedestcheck', 'srcdestcheck', 'skipsourcedestcheck'],
  ipForwarding: ['canipforward', 'enableipforwarding', 'ipforward', 'forwarding'],
  fabricRoutes: ['routes', 'bgproutes', 'fabricroute', 'vpcroutes'],
  ipv6InIpv4: ['sit', 'proto41', 'protocol41', '6in4'],
  ipip: ['proto4', 'protocol4', 'ipencap'],
};

/** The allowed value that was most likely meant. */
export function nearestValue(text: string, allowed: readonly string[]): string | undefined {
  return nearestWord(text, allowed, valueSynonyms);
}

/** The known key that was most likely meant. */
export function nearestKey(text: string, known: readonly string[]): string | undefined {
  return nearestWord(text, known, keySynonyms);
}

function nearestWord(
  text: string,
  allowed: readonly string[],
  synonyms: Readonly<Record<string, readonly string[]>>,
): string | undefined {
  const folded = fold(text);
  return (
    allowed.find((word) => fold(word) === folded) ??
    allowed.find((word) => synonyms[word]?.includes(folded)) ??
    nearestName(text, allowed)
  );
}

/** Lower case without anything but letters and digits: the part that people remember. */
function fold(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
}

/** The name at the smallest edit distance, when that is at most a third of the length. */
export function nearestName(text: string, names: Iterable<string>): string | undefined {
  // In one or two letters everything is near everything.
  if (text.length < 3 || text.length > 100) return undefined;
  let best: string | undefined;
  let limit = Math.max(1, Math.floor(text.length / 3));
  const lower = text.toLowerCase();
  for (const name of names) {
    if (Math.abs(name.length - text.length) > limit) continue;
    const distance = editDistance(lower, name.toLowerCase());
    if (distance > limit || (distance === limit && best !== undefined)) continue;
    best = name;
    limit = distance;
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        value = Math.min(value, before[j - 2]! + 1);
      current.push(value);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length]!;
}
