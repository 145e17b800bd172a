/**
 * Entries of others on our VXLAN device that send the peer's frames somewhere else: a second remote
 * for its MAC, or one for all MACs that nobody knows.
 */
import { everyMac } from '../../tunnel/kernel-interest.js';
import type { StageReport } from './evidence.js';
import { stageReport } from './stage.js';
import { vtepMac } from '../vtep.js';
import type { ViewParts } from './view-input.js';

export function entryStages({ pair, input }: ViewParts): readonly StageReport[] {
  const { route, sending } = pair;
  const device = route?.target.kind === 'unicast' ? route.target.device : undefined;
  if (device === undefined) return [];
  const mac = vtepMac(pair.cluster.name, pair.peer.name);
  const wanted = input.desired.objects.get(`fdb ${device} ${mac}`);
  const own = input.reads.details.forwarding.filter(
    (entry) => entry.device === device && (entry.mac === mac || entry.mac === everyMac),
  );
  const found: StageReport[] = [];
  const matching = own.some(
    (entry) =>
      wanted?.type === 'fdb' &&
      entry.mac === mac &&
      entry.remote?.text === wanted.remote.text &&
      entry.overrides.length === 0,
  );
  for (const entry of own) {
    if (wanted?.type === 'fdb' && entry.mac === mac) {
      // The only entry of the MAC is compared as the object that it stands for.
      const isOurs = entry.remote?.text === wanted.remote.text && entry.overrides.length === 0;
      if (isOurs || !matching) continue;
    }
    const remote = entry.remote === undefined ? '' : ` dst ${entry.remote.text}`;
    const text = `fdb ${entry.mac} dev ${entry.device}${remote}${entry.overrides.map((word) => ` ${word}`).join('')}`;
    found.push(
      stageReport({
        stage: 'fdb',
        direction: sending,
        state: 'foreign',
        key: text,
        actual: text,
        holder: entry.permanent ? 'an entry that is not ours' : 'a learned entry',
      }),
    );
  }
  return found;
}
