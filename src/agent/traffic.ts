/**
 * How much went by each mode: what the tunnel devices have counted, added up so that a device that is
 * made anew (a change of VNI, a repair) takes nothing away. What goes natively shares its NIC with
 * everything else of the host, so no device counts it; see tunnel/zone-traffic for that.
 */
import type { Mode } from '../../encap/mode.js';
import { isOwnDeviceName } from '../../routes/ownership.js';
import type { DeviceCounters, PacketCounters } from '../../tunnel/device-counters.js';
import { readDeviceCounters } from '../../tunnel/device-counters.js';

export interface ModeTraffic {
  readonly mode: Mode;
  readonly sent: PacketCounters;
  readonly received: PacketCounters;
}

const none: PacketCounters = { bytes: 0, packets: 0, errors: 0, dropped: 0 };

export class TrafficMeter {
  readonly #read: () => ReadonlyMap<string, DeviceCounters>;
  #last: ReadonlyMap<string, DeviceCounters> = new Map();
  readonly #sums = new Map<Mode, ModeTraffic>();

  constructor(read: () => ReadonlyMap<string, DeviceCounters> = readDeviceCounters) {
    this.#read = read;
  }

  /** Modes whose device this node has or had. */
  read(): readonly ModeTraffic[] {
    const now = new Map([...this.#read()].filter(([name]) => isOwnDeviceName(name)));
    for (const [name, counters] of now) {
      const mode = modeOfDevice(name);
      const last = this.#last.get(name);
      const sum = this.#sums.get(mode) ?? { mode, sent: none, received: none };
      this.#sums.set(mode, {
        mode,
        sent: plus(sum.sent, since(counters.sent, last?.sent)),
        received: plus(sum.received, since(counters.received, last?.received)),
      });
    }
    this.#last = now;
    return [...this.#sums.values()];
  }
}

/** Of a device of ours: `slv…` are VXLAN, all others IP in IP of some families. */
export function modeOfDevice(name: string): Exclude<Mode, 'native'> {
  return name.startsWith('slv') ? 'vxlan' : 'ipip';
}

/** Counters that went back belong to a new device, which began with zero. */
function since(now: PacketCounters, last: PacketCounters = none): PacketCounters {
  const fresh = now.packets < last.packets || now.bytes < last.bytes;
  return fresh ? now : minus(now, last);
}

function plus(a: PacketCounters, b: PacketCounters): PacketCounters {
  return {
    bytes: a.bytes + b.bytes,
    packets: a.packets + b.packets,
    errors: a.errors + b.errors,
    dropped: a.dropped + b.dropped,
  };
}

function minus(a: PacketCounters, b: PacketCounters): PacketCounters {
  return {
    bytes: a.bytes - b.bytes,
    packets: a.packets - b.packets,
    errors: Math.max(0, a.errors - b.errors),
    dropped: Math.max(0, a.dropped - b.dropped),
  };
}
