/**
 * What the kernel counts of each device: /proc/self/net/dev, which tells of the namespace that the
 * process is in whatever is mounted at /sys.
 *
 * Tunnel devices count inner IP packets, headers included and the outer ones not. Segments that NIC
 * or kernel handle as one merged packet count once, so packets may be fewer than on the wire.
 */
import { readFileSync } from 'node:fs';

export interface PacketCounters {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

export interface DeviceCounters {
  readonly received: PacketCounters;
  readonly sent: PacketCounters;
}

const file = '/proc/self/net/dev';
/** Columns of one direction; those of sending follow those of receiving. */
const columnsEach = 8;

/** By device name, since each device was made. */
export function readDeviceCounters(): ReadonlyMap<string, DeviceCounters> {
  return parseDeviceCounters(readFileSync(file, 'utf8'));
}

export function parseDeviceCounters(text: string): ReadonlyMap<string, DeviceCounters> {
  const devices = new Map<string, DeviceCounters>();
  // Two lines of headings; a name may hold anything but a slash and white space, a colon too.
  for (const line of text.split('\n').slice(2)) {
    const [, name, columns] = /^\s*(\S+):\s*([\d\s]+)$/.exec(line) ?? [];
    if (name === undefined || columns === undefined) continue;
    const numbers = columns.trim().split(/\s+/).map(Number);
    devices.set(name, {
      received: counters(numbers.slice(0, columnsEach)),
      sent: counters(numbers.slice(columnsEach)),
    });
  }
  return devices;
}

function counters([
  bytes = 0,
  packets = 0,
  errors = 0,
  dropped = 0,
]: readonly number[]): PacketCounters {
  return { bytes, packets, errors, dropped };
}
