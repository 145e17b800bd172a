/**
 * Traffic between two namespaces while a test changes things: streams of numbered UDP packets each
 * way and a TCP connection with data each way, running through all changes, and afterwards a table
 * of what became of the packets of each change.
 *
 *     const traffic = await startTraffic(t, { ends: [{ namespace: a, addresses: ['10.64.1.0'] }, …] });
 *     await traffic.during('vxlan to ipip', async () => { … });
 *     const { rows, … } = await traffic.end();
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Namespace, Teardown } from './netns.js';
import type { Arrivals, EndCommand, EndMark, EndSummary } from './traffic-end.js';

export interface TrafficOptions {
  readonly ends: readonly [TrafficEnd, TrafficEnd];
  readonly perSecond: number;
  readonly tcpBytesPerSecond: number;
  /** A step goes on until each stream has sent so many packets after it, 300 by default. */
  readonly packetsAfter?: number;
}

export interface TrafficEnd {
  readonly namespace: Namespace;
  /** One of each family that a stream is to run in. */
  readonly addresses: readonly string[];
}

/** One change and what happened while it was made; lists have one number a stream. */
export interface TrafficRow {
  readonly what: string;
  readonly seconds: number;
  readonly sent: readonly number[];
  readonly lost: readonly number[];
  /** Of those lost: sends that the sender's own kernel refused, with an error. */
  readonly refused: readonly number[];
  readonly reordered: readonly number[];
  readonly tcpPauseMs: number;
}

export interface TrafficResult {
  /** Names of the streams, such as `a→b IPv4`. */
  readonly streams: readonly string[];
  readonly rows: readonly TrafficRow[];
  /** Of the whole time, changes and what was between them. */
  readonly total: Omit<TrafficRow, 'what'>;
  readonly duplicates: number;
  /** Packets that arrived and were lost in a receiver that was not let run. */
  readonly overflowed: number;
  readonly tcp: readonly EndSummary['tcp'][];
}

export interface Traffic {
  /** Runs a step and notes which packets were sent meanwhile and shortly after it. */
  during(what: string, step: () => Promise<void>): Promise<void>;
  end(): Promise<TrafficResult>;
}

class Program {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  constructor({ namespace }: TrafficEnd, bytesPerSecond: number) {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const file = fileURLToPath(new URL(`./traffic-end${extension}`, import.meta.url));
    const args = [...process.execArgv, file, String(bytesPerSecond)];
    this.#child = namespace.spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake?.();
    });
    this.#child.once('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  async answer<T>(): Promise<T> {
    while (this.#lines.length === 0) {
      if (this.#ended) throw new Error('a traffic program ended early');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return JSON.parse(this.#lines.shift()!) as T;
  }

  ask<T>(command: EndCommand): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`);
    return this.answer<T>();
  }

  end(): void {
    this.#child.stdin!.end();
  }
}

interface Stream {
  readonly name: string;
  readonly sender: 0 | 1;
  readonly family: '4' | '6';
}

interface Marks {
  readonly atMs: number;
  readonly marks: readonly EndMark[];
}

export async function startTraffic(t: Teardown, options: TrafficOptions): Promise<Traffic> {
  const { ends, perSecond, tcpBytesPerSecond, packetsAfter = 300 } = options;
  const programs = ends.map((end) => new Program(end, tcpBytesPerSecond));
  t.teardown(() => {
    for (const program of programs) program.end();
  });
  for (const program of programs) await program.answer();
  const streams: Stream[] = [];
  for (const [index, from] of ends[0].addresses.entries()) {
    const to = ends[1].addresses[index]!;
    const family = from.includes(':') ? '6' : '4';
    const send = { op: 'send', perSecond } as const;
    await programs[0]!.ask({ ...send, from, to });
    await programs[1]!.ask({ ...send, from: to, to: from });
    streams.push({ name: `→ IPv${family}`, sender: 0, family });
    streams.push({ name: `← IPv${family}`, sender: 1, family });
  }
  await programs[0]!.ask({
    op: 'connect',
    from: ends[0].addresses[0]!,
    to: ends[1].addresses[0]!,
    bytesPerSecond: tcpBytesPerSecond,
  });

  const mark = async (): Promise<Marks> => ({
    atMs: performance.now(),
    marks: await Promise.all(programs.map((program) => program.ask<EndMark>({ op: 'mark' }))),
  });
  const begin = await mark();
  const steps: {
    readonly what: string;
    readonly from: Marks;
    readonly to: Marks;
    readonly tcpPauseMs: number;
  }[] = [];

  return {
    during: async (what, step) => {
      const from = await mark();
      await step();
      const done = await mark();
      const enough = ({ marks }: Marks): boolean =>
        streams.every(
          ({ sender, family }) =>
            marks[sender]!.sent[family]! >= done.marks[sender]!.sent[family]! + packetsAfter,
        );
      const seen = [done];
      while (!enough(seen.at(-1)!)) {
        await sleep(50);
        seen.push(await mark());
      }
      steps.push({ what, from, to: seen.at(-1)!, tcpPauseMs: longestPauseMs(seen) });
    },
    end: async () => {
      const atMs = performance.now();
      const last = await Promise.all(
        programs.map((program) => program.ask<EndMark>({ op: 'stop' })),
      );
      const summaries = await Promise.all(
        programs.map((program, i) =>
          program.ask<EndSummary>({ op: 'conclude', sent: last[1 - i]!.sent }),
        ),
      );
      const arrivalsOf = ({ sender, family }: Stream): Arrivals =>
        summaries[1 - sender]!.arrivals[family]!;
      const row = (from: Marks, to: Marks): Omit<TrafficRow, 'what' | 'tcpPauseMs'> => {
        const range = ({ sender, family }: Stream): readonly [number, number] => [
          from.marks[sender]!.sent[family]!,
          to.marks[sender]!.sent[family]!,
        ];
        const refusedAt = ({ marks }: Marks, { sender, family }: Stream): number =>
          marks[sender]!.refused[family]!;
        return {
          seconds: (to.atMs - from.atMs) / 1000,
          sent: streams.map((stream) => range(stream)[1] - range(stream)[0]),
          lost: streams.map((stream) => within(arrivalsOf(stream).missing, range(stream))),
          refused: streams.map((stream) => refusedAt(to, stream) - refusedAt(from, stream)),
          reordered: streams.map((stream) => {
            const [start, end] = range(stream);
            return arrivalsOf(stream).reordered.filter((n) => n >= start && n < end).length;
          }),
        };
      };
      const start: Marks = {
        atMs: begin.atMs,
        marks: begin.marks.map((one) => ({ ...one, sent: { 4: 0, 6: 0 } })),
      };
      const end: Marks = { atMs, marks: last };
      const rows = steps.map(({ what, from, to, tcpPauseMs }) => ({
        what,
        ...row(from, to),
        tcpPauseMs,
      }));
      return {
        streams: streams.map(({ name }) => name),
        rows,
        total: {
          ...row(start, end),
          tcpPauseMs: Math.max(longestPauseMs([end]), ...rows.map((one) => one.tcpPauseMs)),
        },
        duplicates: streams.reduce((sum, stream) => sum + arrivalsOf(stream).duplicates, 0),
        overflowed: summaries.reduce((sum, one) => sum + one.overflowed, 0),
        tcp: summaries.map(({ tcp }) => tcp),
      };
    },
  };
}

function longestPauseMs(seen: readonly Marks[]): number {
  return Math.max(...seen.flatMap(({ marks }) => marks.map(({ pauseMs }) => pauseMs)));
}

/** How many numbers of the gaps are in the range; its end is not in it. */
function within(
  gaps: readonly (readonly [number, number])[],
  [start, end]: readonly [number, number],
): number {
  return gaps.reduce(
    (sum, [first, last]) => sum + Math.max(0, Math.min(last + 1, end) - Math.max(first, start)),
    0,
  );
}

/** The result as a Markdown table, a line an element. */
export function trafficTable({ rows, streams, total }: TrafficResult): readonly string[] {
  const several = (counts: readonly number[]): string =>
    counts.every((count) => count === 0) ? '0' : counts.join(' / ');
  const cells = [
    ['change', `packets (${streams.join(' / ')})`, 'lost', 'reordered', 'TCP longest pause'],
    ...[...rows, { what: 'all, and between', ...total }].map((row) => [
      row.what,
      row.sent.join(' / '),
      several(row.lost),
      several(row.reordered),
      `${row.tcpPauseMs} ms`,
    ]),
  ];
  const widths = cells[0]!.map((_, column) =>
    Math.max(...cells.map((line) => [...line[column]!].length)),
  );
  const line = (texts: readonly string[]): string =>
    `| ${texts.map((text, i) => text + ' '.repeat(widths[i]! - [...text].length)).join(' | ')} |`;
  const [header, ...body] = cells.map(line);
  return [header!, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body];
}
