/**
 * What is on the wire, as frames: tcpdump writes them, its file is read back
 * (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap: 24 bytes of header, then 16 a record).
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace, Teardown } from '../../support/netns.js';

export interface Capture {
  /** Every frame so far. */
  frames(): readonly Buffer[];
  /** Waits until the frames from number `from` on contain this many, and returns those. */
  take(count: number, options: { readonly from: number }): Promise<readonly Buffer[]>;
}

const fileHeaderLength = 24;
const recordHeaderLength = 16;

function readFrames(file: string): readonly Buffer[] {
  const bytes = readFileSync(file);
  const frames: Buffer[] = [];
  let offset = fileHeaderLength;
  while (offset + recordHeaderLength <= bytes.length) {
    const length = bytes.readUInt32LE(offset + 8);
    const start = offset + recordHeaderLength;
    if (start + length > bytes.length) break;
    frames.push(bytes.subarray(start, start + length));
    offset = start + length;
  }
  return frames;
}

export interface CaptureOptions {
  readonly namespace: Namespace;
  readonly device: string;
  /** In tcpdump's language. */
  readonly filter: string;
}

export async function capture(t: Teardown, options: CaptureOptions): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'capture-'));
  const file = join(folder, 'wire.pcap');
  const tcpdump = options.namespace.spawn(
    'tcpdump',
    [
      ...['-i', options.device, '-n', '-U', '--immediate-mode', '-s', '0', '-Z', 'root'],
      ...['-w', file, options.filter],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  t.teardown(() => {
    tcpdump.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  let said = '';
  tcpdump.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  while (!said.includes('listening on')) {
    if (tcpdump.exitCode !== null) throw new Error(`tcpdump on ${options.device}: ${said}`);
    await Promise.race([once(tcpdump.stderr!, 'data'), once(tcpdump, 'exit')]);
  }
  return {
    frames: () => readFrames(file),
    take: async (count, { from }) => {
      for (const deadline = Date.now() + 5_000; ; await sleep(20)) {
        const frames = readFrames(file).slice(from);
        if (frames.length >= count || Date.now() > deadline) return frames;
      }
    },
  };
}
