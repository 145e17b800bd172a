/**
 * A TCP relay on loopback between a client and a server, to take the one from the other: with a
 * reset that both notice, or silently, as a cut cable does.
 */
import { type Socket, connect, createServer } from 'node:net';
import type { Teardown } from './netns.js';

export interface Relay {
  /** `127.0.0.1:41234` */
  readonly endpoint: string;
  /** Connections break, new ones are refused. */
  cut(): void;
  /** Connections stay and nothing passes, nor on new ones. */
  hold(): void;
  /** What the client says arrives, and no answer comes back. */
  holdAnswers(): void;
  mend(): void;
}

export async function startRelay(t: Teardown, target: string): Promise<Relay> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(target) ?? [];
  const pairs = new Set<readonly [Socket, Socket]>();
  let state: 'open' | 'cut' | 'held' | 'answers held' = 'open';
  const server = createServer((client) => {
    if (state === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const remote = connect({ host, port: Number(port) });
    const pair = [client, remote] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [remote, client] as const]) {
      from.on('data', (bytes) => {
        if (state === 'held' || (state === 'answers held' && from === remote)) return;
        to.write(bytes);
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        pairs.delete(pair);
        if (state === 'open') to.destroy();
      });
    }
  });
  const breakAll = (): void => {
    for (const [client, remote] of pairs) {
      client.resetAndDestroy();
      remote.destroy();
    }
    pairs.clear();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    breakAll();
  });
  return {
    endpoint: `127.0.0.1:${(server.address() as { port: number }).port}`,
    cut: () => {
      state = 'cut';
      breakAll();
    },
    hold: () => (state = 'held'),
    holdAnswers: () => (state = 'answers held'),
    mend: () => {
      // What was held back is lost, so a connection of before would be garbled.
      if (state !== 'open') breakAll();
      state = 'open';
    },
  };
}
