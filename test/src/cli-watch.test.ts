/** `--watch` as a process: what it shows when something changes, and what it ends with. */
import { spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { exitCodes } from '../../src/cli/exit-codes.js';
import { selvageProgram } from '../../src/lab/program.js';

t.setTimeout(120_000);

const folder = mkdtempSync(join(tmpdir(), 'selvage-watch-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'cluster.yaml');

/** Whole at once, as it is read again and again meanwhile. */
function write(mode: string): void {
  const text = `
rules: [{ name: all, mode: ${mode} }]
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: 10.64.1.0/24 }
  - { name: b, address: 192.0.2.2/24, overlay: 10.64.2.0/24 }
`;
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

interface Shown {
  readonly verdict?: { readonly kind: string };
  readonly error?: string;
}

/** Reports one by one; `end` asks it to end and resolves with its exit code. */
function watching(): {
  next(): Promise<Shown>;
  end(signal: NodeJS.Signals): Promise<number | null>;
} {
  const [program, ...before] = selvageProgram();
  const question = ['route-explain', 'b', '--from', 'a', '--config', file];
  const child = spawn(program!, [...before, ...question, '--watch', '0.2', '-o', 'json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => JSON.parse(String((await lines.next()).value)) as Shown,
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

t.test('a watch ends with the exit code of what it showed last', async (t) => {
  write('vxlan');
  const watch = watching();
  t.match(await watch.next(), { verdict: { kind: 'VXLAN' } });
  write('deny');
  t.match(await watch.next(), { verdict: { kind: 'DENIED' } }, 'shown as soon as it changes');
  t.equal(await watch.end('SIGINT'), exitCodes.found, 'denied at the end');
});

t.test('what was wrong and is right again counts no longer', async (t) => {
  write('deny');
  const watch = watching();
  t.match(await watch.next(), { verdict: { kind: 'DENIED' } });
  write('vxlan');
  t.match(await watch.next(), { verdict: { kind: 'VXLAN' } });
  t.equal(await watch.end('SIGTERM'), exitCodes.ok, 'right at the end');
});

t.test('a look that fails is a change like others, and counts while it lasts', async (t) => {
  write('vxlan');
  const watch = watching();
  t.match(await watch.next(), { verdict: { kind: 'VXLAN' } });
  rmSync(file);
  t.match(await watch.next(), { error: /cannot read the cluster file/ });
  t.equal(await watch.end('SIGINT'), exitCodes.unable, 'no file at the end');
});

t.test('a question that has no answer is not asked again', async (t) => {
  rmSync(file, { force: true });
  const watch = watching();
  // It ends by itself.
  const first = await Promise.race([watch.next().catch(() => undefined), watch.end('SIGCONT')]);
  t.notOk(first !== undefined && first !== null && typeof first === 'object', 'nothing was shown');
  t.equal(await watch.end('SIGCONT'), exitCodes.unable);
});
