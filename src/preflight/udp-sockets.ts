/**
 * UDP sockets of this network namespace, as /proc/net/udp and udp6 list them (proc(5)): address and
 * port in hexadecimal, the address in the byte order of the machine.
 */
import type { Machine } from './machine.js';

export interface UdpSocket {
  readonly port: number;
  /** As the file writes it. */
  readonly address: string;
  /** Bound to all addresses. */
  readonly wildcard: boolean;
  readonly inode: string;
}

export function udpSockets(machine: Machine): readonly UdpSocket[] {
  return ['proc/net/udp', 'proc/net/udp6'].flatMap((path) => {
    const lines = (machine.read(path) ?? '').split('\n').slice(1);
    return lines.flatMap((line): readonly UdpSocket[] => {
      const words = line.trim().split(/\s+/);
      const [address, port] = words[1]?.split(':') ?? [];
      const inode = words[9];
      if (address === undefined || port === undefined || inode === undefined) return [];
      return [{ port: parseInt(port, 16), address, wildcard: /^0+$/.test(address), inode }];
    });
  });
}

export interface SocketHolder {
  readonly pid: number;
  readonly name: string;
}

/** The process that has the socket open; undefined: the kernel itself, or nobody that may be seen. */
export function holderOf(machine: Machine, { inode }: UdpSocket): SocketHolder | undefined {
  for (const pid of machine.list('proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const isHeld = machine
      .list(`proc/${pid}/fd`)
      .some((fd) => machine.link(`proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
    if (isHeld) {
      const name = machine.read(`proc/${pid}/comm`)?.trim() ?? 'a process';
      return { pid: Number(pid), name };
    }
  }
  return undefined;
}
