/** What a question with an interest is told of the tables in memory: the same as a real kernel tells. */
import type { Address } from '../../encap/address.js';
import { prefixContains, prefixCovers } from '../../encap/prefix.js';
import { everyMac } from '../kernel-interest.js';
import type { KernelInterest } from '../kernel-interest.js';
import type { KernelState } from '../kernel.js';

export function concerned(state: KernelState, interest: KernelInterest | undefined): KernelState {
  if (interest === undefined) return state;
  const { addresses, within } = interest;
  const vxlan = new Set(state.links.flatMap(({ kind, name }) => (kind === 'vxlan' ? name : [])));
  const isAsked = ({ text }: Address): boolean => addresses.some((one) => one.text === text);
  const macs = new Set([everyMac, ...interest.macs]);
  return {
    ...state,
    neighbours: state.neighbours.filter(
      ({ device, address }) => !vxlan.has(device) || isAsked(address),
    ),
    fdb: state.fdb.filter(({ mac }) => macs.has(mac)),
    routes: state.routes.filter(
      ({ prefix }) =>
        prefix.length === 0 ||
        addresses.some((address) => prefixContains(prefix, address)) ||
        within.some((outer) => prefixCovers(outer, prefix)),
    ),
  };
}
