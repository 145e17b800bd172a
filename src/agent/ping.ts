/** Echo requests by the system's `ping` (iputils): it needs no privilege that an agent lacks. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Family } from '../../encap/address.js';
import type { ProbeTarget, Prober } from './reachability.js';

const waitSeconds = 1;
/** Where a process that starts without a PATH would find it. */
const usualPath = '/usr/bin:/bin:/usr/sbin:/sbin';

/** IP header without options and ICMP header: RFC 791 and 792, RFC 8200 and 4443. */
const headerBytes: Readonly<Record<Family, number>> = { 4: 20 + 8, 6: 40 + 8 };

/** Undefined: this machine has no `ping`. */
export function openPing(): Prober | undefined {
  const program = findProgram('ping');
  if (program === undefined) return undefined;
  return {
    probe: (target) =>
      new Promise((resolve) => {
        const options = { timeout: (waitSeconds + 1) * 1000, killSignal: 'SIGKILL' } as const;
        execFile(program, pingArguments(target), options, (error) => resolve(error === null));
      }),
  };
}

export function pingArguments(target: ProbeTarget): readonly string[] {
  const { to, from, packetBytes } = target;
  const size =
    packetBytes === undefined
      ? []
      : ['-M', 'do', '-s', String(packetBytes - headerBytes[to.family])];
  const source = from === undefined ? [] : ['-I', from.text];
  return [
    `-${to.family}`,
    '-n',
    '-q',
    '-c',
    '1',
    '-W',
    String(waitSeconds),
    ...size,
    ...source,
    to.text,
  ];
}

function findProgram(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? usualPath).split(':')) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
