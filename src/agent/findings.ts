/** What a plan shows of the machine that it was made on, for the others. */
import type { NodeFindings } from '../store/store.js';
import { planesBesides } from '../../routes/kernel-planes.js';
import type { NodePlan } from './node-plan.js';

/** `isUp`: the plan has been carried out. */
export function nodeFindings(
  { kinds, snapshot }: Pick<NodePlan, 'kinds' | 'snapshot'>,
  { isUp }: { readonly isUp: boolean },
): NodeFindings {
  const mtus = Object.values(snapshot.local.nics).map(({ mtu }) => mtu);
  return {
    planes: planesBesides(kinds),
    mtu: mtus.length === 0 ? undefined : Math.min(...mtus),
    isUp,
  };
}
