/** What the packet filter dropped, and whether it is in place. */
import type { Concern } from './concern.js';

/** Asking it starts a program: scrapes that come together share one answer. */
const keepMs = 1_000;

export const guardMetrics: Concern = (meter, { figures, monotonicMs }) => {
  let last:
    | { readonly atMs: number; readonly answer: Promise<Readonly<Record<string, number>>> }
    | undefined;
  meter.readCounter(
    {
      name: 'selvage_guard_dropped_packets_total',
      help: 'Packets that the guard dropped, by reason.',
      labels: ['reason'],
    },
    async (say) => {
      const now = monotonicMs();
      if (last === undefined || now - last.atMs > keepMs)
        last = { atMs: now, answer: figures().guardDropped() };
      for (const [reason, packets] of Object.entries(await last.answer)) say(packets, { reason });
    },
  );
  meter.gauge(
    {
      name: 'selvage_guard_shut',
      help: 'Are the tunnels down because somebody keeps changing the guard? 1 or 0.',
    },
    (say) => say(figures().guardShut ? 1 : 0),
  );
  return undefined;
};
