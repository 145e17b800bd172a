/** Bytes and packets: by mode from the tunnel devices, by zone pair where the agent counts those. */
import type { Concern, ZoneTraffic } from './concern.js';
import type { PacketCounters } from '../../tunnel/device-counters.js';
import type { Say } from './meter.js';

export const trafficMetrics: Concern = (meter, sources) => {
  const byMode = (read: (counters: PacketCounters) => number) => (say: Say) => {
    for (const { mode, sent, received } of sources.figures().traffic()) {
      say(read(sent), { mode, direction: 'transmit' });
      say(read(received), { mode, direction: 'receive' });
    }
  };
  const labels = ['mode', 'direction'];
  meter.readCounter(
    {
      name: 'selvage_traffic_bytes_total',
      help: 'Bytes of overlay packets by tunnel mode, without outer headers; not native ones.',
      labels,
    },
    byMode(({ bytes }) => bytes),
  );
  meter.readCounter(
    {
      name: 'selvage_traffic_packets_total',
      help: 'Overlay packets by tunnel mode; merged segments count once. Not native ones.',
      labels,
    },
    byMode(({ packets }) => packets),
  );
  meter.readCounter(
    {
      name: 'selvage_traffic_errors_total',
      help: 'Packets that a tunnel device could not carry, errors and drops, by mode.',
      labels,
    },
    byMode(({ errors, dropped }) => errors + dropped),
  );
  byZone(meter, sources.zoneTraffic);
  return undefined;
};

function byZone(
  meter: Parameters<Concern>[0],
  read: (() => Promise<readonly ZoneTraffic[]>) | undefined,
): void {
  const each = (value: (traffic: ZoneTraffic) => number) => async (say: Say) => {
    for (const traffic of (await read?.()) ?? []) {
      const { mode, direction, zone, peerZone } = traffic;
      say(value(traffic), { mode, direction, zone, peer_zone: peerZone });
    }
  };
  const labels = ['mode', 'direction', 'zone', 'peer_zone'];
  meter.readCounter(
    {
      name: 'selvage_zone_traffic_bytes_total',
      help: 'Bytes of overlay packets by mode, native ones too, and zones (with --zone-traffic).',
      labels,
    },
    each(({ bytes }) => bytes),
  );
  meter.readCounter(
    {
      name: 'selvage_zone_traffic_packets_total',
      help: 'Overlay packets by mode, native ones too, and zones (with --zone-traffic).',
      labels,
    },
    each(({ packets }) => packets),
  );
}
