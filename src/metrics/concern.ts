/** One concern's metrics: made once on a meter, told of what happens where they count themselves. */
import type { AgentFigures, AgentObserver } from '../agent/figures.js';
import type { Meter } from './meter.js';

export interface MetricSources {
  readonly version: string;
  figures(): AgentFigures;
  /** Since 1970. */
  nowMs(): number;
  /** Of a clock that only goes forward. */
  monotonicMs(): number;
  zoneTraffic?: (() => Promise<readonly ZoneTraffic[]>) | undefined;
}

/** Between this node's zone and another, see tunnel/zone-traffic. */
export interface ZoneTraffic {
  readonly mode: string;
  readonly direction: 'transmit' | 'receive';
  readonly zone: string;
  readonly peerZone: string;
  readonly packets: number;
  readonly bytes: number;
}

export type Concern = (meter: Meter, sources: MetricSources) => AgentObserver | undefined;
