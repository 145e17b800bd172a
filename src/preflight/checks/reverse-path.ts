/**
 * The reverse-path filter of each device that peers' packets arrive on. A strict one drops what
 * comes in on another device than the answer would leave by: a pair whose two directions go
 * different ways, or an underlay address on another NIC than the route to the peer.
 *
 * The larger of the `all` setting and the device's own holds (net/ipv4/devinet.c). There is none of
 * IPv6.
 */
import type { Decision } from '../../../encap/trail.js';
import { isOwnDeviceName } from '../../../routes/ownership.js';
import { firstDevice } from '../../../routes/peer-objects.js';
import { type Check, type Outcome, fail, fix, ok, onKernel, warn } from '../check.js';
import type { KernelFacts, NodeFacts } from '../facts.js';
import { someOf } from '../peer-list.js';

export const reversePath: Check = onKernel(
  {
    id: 'reverse-path',
    group: 'host',
    title: 'reverse-path filter',
    about: 'rp_filter is not strict where packets come in another way than answers leave',
  },
  (kernel, facts) => {
    const devices = arrivals(kernel);
    const outcomes = [...devices].flatMap(([device, lost]) =>
      judge(kernel, facts, { device, lost }),
    );
    if (outcomes.length > 0) return outcomes;
    const all = setting(kernel, 'all');
    const each = [...devices.keys()].map((device) => `${device} ${setting(kernel, device)}`);
    return ok(
      `not strict where it matters (all ${all}${each.length > 0 ? `, ${each.join(', ')}` : ''})`,
    );
  },
);

/** Devices that IPv4 packets of peers arrive on, and whose of them would be lost to a strict filter. */
function arrivals({ plan, ways, state }: KernelFacts): ReadonlyMap<string, readonly string[]> {
  const nic = plan.snapshot.local.nics[4]?.name;
  const found = new Map<string, string[]>();
  const of = (device: string): string[] => {
    let lost = found.get(device);
    if (lost === undefined) found.set(device, (lost = []));
    return lost;
  };
  const there = new Set(state.links.map((link) => link.name));
  for (const { peer, out, back } of ways) {
    if (out.prefix.family !== 4 || back === undefined) continue;
    const arrival = deviceOf(back, nic);
    const leaving = deviceOf(out, nic);
    if (arrival === undefined || !there.has(arrival)) continue;
    const lost = of(arrival);
    if (arrival !== leaving) lost.push(peer.name);
  }
  if (nic !== undefined && there.has(nic)) of(nic);
  return found;
}

function deviceOf({ verdict }: Decision, nic: string | undefined): string | undefined {
  if (verdict.kind !== 'forward') return undefined;
  return verdict.carriage.mode === 'native' ? nic : firstDevice(verdict.carriage);
}

function judge(
  kernel: KernelFacts,
  { keeper }: NodeFacts,
  { device, lost }: { readonly device: string; readonly lost: readonly string[] },
): readonly Outcome[] {
  const own = Number(setting(kernel, device));
  const effective = Math.max(own, Number(setting(kernel, 'all')));
  if (effective !== 1) return [];
  const path = `net/ipv4/conf/${device}/rp_filter`;
  const willBeLoose = kernel.plan.objects.has(`sysctl ${path}`);
  if (keeper.kind === 'absent' && willBeLoose) return [];
  const key = `net.ipv4.conf.${device}.rp_filter`;
  const wanted = {
    found: `strict on ${device} (all ${setting(kernel, 'all')}, ${device} ${own})`,
    needed: `2 (loose) on ${device}, the larger of the two counts`,
    fix: {
      ...fix('make it loose, and keep it so over a restart', `sysctl -w ${key}=2`),
      ...(isOwnDeviceName(device)
        ? {}
        : { file: { path: '/etc/sysctl.d/90-selvage.conf', lines: [`${key} = 2`] } }),
    },
  };
  if (keeper.kind === 'running' && willBeLoose)
    return [warn({ ...wanted, found: `${wanted.found}; the agent is about to change it` })];
  if (lost.length === 0)
    return [warn({ ...wanted, found: `${wanted.found}; today all pairs are symmetric` })];
  return [
    fail({
      ...wanted,
      found: `${wanted.found}, and packets of ${someOf(lost)} arrive there while answers leave elsewhere`,
    }),
  ];
}

function setting({ kernel }: KernelFacts, device: string): string {
  return kernel.readSysctl(`net/ipv4/conf/${device}/rp_filter`) ?? '0';
}
