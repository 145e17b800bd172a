/**
 * What the host as a whole does with the pair's packets: does it forward, what do filters say (our
 * own guard, and others'), is there room to track connections, does it answer an echo.
 */
import type { ForeignRule } from '../../tunnel/guard/foreign-rules.js';
import type { Stage, StageReport } from './evidence.js';
import { stageReport } from './stage.js';
import type { ViewParts } from './view-input.js';

/** `devices`: those that workloads of this node are behind. */
export function hostStages(
  { pair, input }: ViewParts,
  devices: readonly string[],
): readonly StageReport[] {
  const { sysctls } = input.reads;
  const found: StageReport[] = [
    stageReport({
      stage: 'agent',
      direction: 'both',
      state: input.agent === 'none' ? 'missing' : 'match',
      key: 'agent',
      desired: 'running',
      actual: input.agent === 'none' ? null : input.agent,
    }),
  ];
  const setting = (
    path: string,
    of: { readonly stage: Stage; readonly wanted: string; readonly way: StageReport['direction'] },
  ): void => {
    const value = sysctls.get(path);
    // What is desired anyway is compared as the object that it is.
    if (value === undefined || input.desired.objects.has(`sysctl ${path}`)) return;
    const state = value === of.wanted ? 'match' : 'drift';
    const attributes = state === 'match' ? [] : ['value'];
    found.push(
      stageReport({
        stage: of.stage,
        direction: of.way,
        state,
        key: `sysctl ${path}`,
        desired: `sysctl ${path}=${of.wanted}`,
        actual: `sysctl ${path}=${value}`,
        attributes,
      }),
    );
  };
  const version = pair.family === 4 ? 'ipv4' : 'ipv6';
  const forwarding = { stage: 'forwarding', wanted: '1' } as const;
  if (pair.family === 4) setting('net/ipv4/ip_forward', { ...forwarding, way: 'both' });
  else setting('net/ipv6/conf/all/forwarding', { ...forwarding, way: 'both' });
  const arriving =
    pair.inDevices.length > 0 ? pair.inDevices : pair.nic === undefined ? [] : [pair.nic];
  // The device that a packet comes in by decides.
  for (const device of arriving)
    setting(`net/${version}/conf/${device}/forwarding`, { ...forwarding, way: pair.receiving });
  for (const device of devices)
    if (!arriving.includes(device))
      setting(`net/${version}/conf/${device}/forwarding`, { ...forwarding, way: pair.sending });
  if (pair.family === 6)
    for (const device of arriving)
      setting(`net/ipv6/conf/${device}/disable_ipv6`, {
        stage: 'address',
        wanted: '0',
        way: pair.receiving,
      });
  const silent =
    pair.family === 4 ? 'net/ipv4/icmp_echo_ignore_all' : 'net/ipv6/icmp/echo_ignore_all';
  if (sysctls.get(silent) === '1')
    found.push(
      stageReport({
        stage: 'delivery',
        direction: pair.receiving,
        // Traffic does not care; only echoes do.
        state: 'unknown',
        key: `sysctl ${silent}`,
        desired: `sysctl ${silent}=0`,
        actual: `sysctl ${silent}=1`,
        holder: 'a setting of this host',
      }),
    );
  return [...found, ...conntrackStages(sysctls)];
}

/** A full table drops new flows, and says so only in the kernel's log. */
function conntrackStages(sysctls: ReadonlyMap<string, string>): readonly StageReport[] {
  const count = Number(sysctls.get('net/netfilter/nf_conntrack_count') ?? NaN);
  const max = Number(sysctls.get('net/netfilter/nf_conntrack_max') ?? NaN);
  if (Number.isNaN(count) || Number.isNaN(max) || max === 0) return [];
  const full = count >= max;
  return [
    stageReport({
      stage: 'conntrack',
      direction: 'both',
      state: full ? 'drift' : 'match',
      key: 'sysctl net/netfilter/nf_conntrack_count',
      desired: `fewer than ${max} connections`,
      actual: `${count} connections${full ? ', the table is full' : ''}`,
      attributes: full ? ['count'] : [],
    }),
  ];
}

export function filterStages({ pair, input }: ViewParts): readonly StageReport[] {
  const { guard } = input;
  const own =
    guard === undefined
      ? []
      : [
          stageReport({
            stage: 'own-filter',
            direction: 'both',
            state: guard.ok ? 'match' : 'drift',
            key: 'guard',
            desired: 'the rules that this configuration asks for',
            actual: guard.ok ? 'as desired' : (guard.difference ?? 'other rules'),
            attributes: guard.ok ? [] : ['rules'],
          }),
        ];
  return [...own, ...input.foreignRules.map((rule) => foreignStage(rule, pair))];
}

function foreignStage(rule: ForeignRule, pair: ViewParts['pair']): StageReport {
  return stageReport({
    stage: 'foreign-filter',
    direction:
      rule.kind !== 'drops-tunnel' ? 'both' : rule.way === 'out' ? pair.sending : pair.receiving,
    state: rule.certain ? 'foreign' : 'unknown',
    key: `filter ${rule.table} ${rule.chain}: ${rule.rule} (${rule.hits})`,
    desired: rule.remedy,
    actual: `${rule.table}, chain ${rule.chain}: "${rule.rule}" hits ${rule.hits}`,
    attributes: [rule.kind],
    holder: rule.table,
  });
}
