/**
 * Runs compiled test files, some at a time, and writes down how many assertions passed.
 * `node run-files.js --result FILE.json --jobs 2 --timeout-s 300 dist/test/x.test.js …`
 *
 * A test file is a program that speaks TAP, so it is started as one. `tap run` would have it, and
 * every process it starts, load hooks for mocks and coverage, which nothing here uses: a second for
 * each file and a third of a second for each agent, command and traffic end in it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Tally } from './tally.js';

/** How much later than a file's own limit it is killed: time for it to tell what it waited for. */
const killAfterMs = 15_000;

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    result: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    'timeout-s': { type: 'string', default: '120' },
  },
});
const timeoutS = Number(values['timeout-s']);
const tally = new Tally((line) => {
  console.log(line);
});

async function runFile(file: string): Promise<void> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // With TAP set, what it says is TAP also on a terminal.
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(timeoutS) },
  });
  const told = tally.read(sourceOf(file), child.stdout);
  const limit = setTimeout(
    () => {
      child.kill('SIGKILL');
      // What it started may hold the stream open for ever.
      child.stdout.destroy();
    },
    timeoutS * 1000 + killAfterMs,
  );
  // 'close' comes once the stream has ended as well.
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(limit);
  told({ code, signal, seconds: (performance.now() - startedMs) / 1000 });
}

/** Tests run compiled; people look for the source. */
function sourceOf(file: string): string {
  return file.replace(/^dist\/(.+)\.js$/, '$1.ts');
}

const waiting = [...files];
async function runNext(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await runFile(file);
}
await Promise.all(Array.from({ length: Number(values.jobs) }, runNext));
if (values.result !== undefined) writeFileSync(values.result, JSON.stringify(tally.numbers));
if (tally.numbers.failed > 0) process.exitCode = 1;
