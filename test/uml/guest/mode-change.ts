/**
 * Changing the mode under traffic loses nothing: one route is replaced, native → ipip → vxlan and
 * back, many times a second, while a numbered stream runs over it. All receive devices are up, with
 * addresses, all the time; the way back stays ipip, so that most packets arrive asymmetrically.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { StreamSummary } from '../../support/stream.js';
import { type Way, applyAll, route, twoNodes } from './two-nodes.js';

const port = 7000;
const perSecond = 800;
const seconds = 8;
const pauseMs = 25;
const order: readonly Way[] = [
  'ipip 4 in 4',
  'vxlan 4 in 4',
  'native 4',
  'vxlan 4 in 4',
  'ipip 4 in 4',
  'native 4',
];
/** The device that a packet of this mode is counted on at the receiver. */
const arrivesOn = { 'ipip 4 in 4': 'slip4', 'vxlan 4 in 4': 'slv4a' } as const;

/** Collects what a program says; `said` waits for a complete line. */
function lines(child: ChildProcess): () => Promise<string> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
  return async () => {
    while (!text.includes('\n')) {
      if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended early`);
      await Promise.race([once(child.stdout!, 'data'), once(child, 'close')]);
    }
    const [line = '', ...others] = text.split('\n');
    text = others.join('\n');
    return line;
  };
}

t.test('a numbered stream through changes of mode', async (t) => {
  writeFileSync('/proc/sys/net/core/rmem_max', '8388608');
  const { a, b } = await twoNodes(t);
  const go = (way: Way) =>
    applyAll(a.kernel, [{ verb: 'set', object: route(way, { own: a, peer: b }) }]);
  await go('native 4');
  await applyAll(b.kernel, [{ verb: 'set', object: route('ipip 4 in 4', { own: b, peer: a }) }]);

  const program = fileURLToPath(new URL('../../support/stream.js', import.meta.url));
  const stdio = ['pipe', 'pipe', 'inherit'] as const;
  const receiver = b.namespace.spawn(process.execPath, [program, 'receive', String(port)], {
    stdio: [...stdio],
  });
  const heard = lines(receiver);
  t.equal(await heard(), 'ready', 'the receiver listens');
  const sender = a.namespace.spawn(
    process.execPath,
    [program, 'send', b.tunnel4.text, String(port), String(perSecond), String(seconds)],
    { stdio: [...stdio] },
  );
  const told = lines(sender);

  let changes = 0;
  const allSent = once(sender, 'exit');
  while (sender.exitCode === null) {
    await go(order[changes++ % order.length]!);
    await Promise.race([sleep(pauseMs), allSent]);
  }

  const { sent, failed } = JSON.parse(await told()) as { sent: number; failed: number };
  receiver.stdin?.write(`${sent}\n`);
  const summary = JSON.parse(await heard()) as StreamSummary;
  t.comment({ changes, sent, ...summary });
  t.equal(sent, perSecond * seconds, 'everything was sent');
  t.equal(failed, 0, 'the sender saw no error');
  t.ok(changes > 60, 'the mode changed more than sixty times', { changes });
  t.strictSame(summary.missing, [], 'no packet is missing');
  t.match(summary, { received: sent, duplicates: 0, reordered: 0 }, 'all arrived once, in order');
  const carried = Object.entries(arrivesOn).map(([mode, device]) => {
    const [link] = b.namespace.ipJson<{ stats64: { rx: { packets: number } } }[]>(
      ...['-statistics', 'link', 'show', device],
    );
    return { mode, packets: link?.stats64.rx.packets ?? 0 };
  });
  const tunnelled = carried.reduce((sum, { packets }) => sum + packets, 0);
  for (const { mode, packets } of [...carried, { mode: 'native 4', packets: sent - tunnelled }])
    t.ok(packets > sent / 10, `${mode} carried a good part of the stream`, { packets, sent });
});
