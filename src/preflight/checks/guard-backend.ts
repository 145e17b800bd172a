/** No guard, no tunnel: which packet filter of this kernel can hold it. */
import { type Check, fail, fix, ok, onKernel, warn } from '../check.js';

export const guardBackend: Check = onKernel(
  {
    id: 'guard-backend',
    group: 'kernel',
    title: 'guard',
    about: 'nftables, or else iptables, can hold the guard, without which no tunnel comes up',
  },
  ({ guard }) => {
    const needed = 'nftables with a kernel that has nf_tables';
    const install = fix(
      'install nftables',
      'apt-get install nftables   # or: dnf install nftables',
    );
    if ('problem' in guard) return fail({ found: guard.problem, needed, fix: install });
    if (guard.backend === 'iptables')
      return warn({
        found: 'iptables holds it: changes are slower, and are noticed by looking now and then',
        needed,
        fix: install,
      });
    return ok(`held by ${guard.backend}`);
  },
);
