/**
 * Everything that needs a kernel other than this machine's: one boot of user-mode-linux runs the
 * table of `checks.ts`, and every assertion made in there is made again here.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { skipReason } from '../support/capabilities.js';
import { fromRoot } from '../support/root.js';
import { BootFailure, type BootResult, bootUml } from './boot.js';
import { umlChecks } from './checks.js';
import { findUml } from './find-uml.js';
import { checkFiles, guestScript } from './guest-script.js';
import { readTapReport } from './tap-report.js';

/** The guest runs compiled files only: this tree when compiled itself, else `dist`. */
const own = fileURLToPath(import.meta.url);
const compiled = own.endsWith('.js') ? join(dirname(own), '../..') : fromRoot('dist');

/** Where an assertion was made again says nothing. */
const placeless = { at: null, stack: '', source: '' };

const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

t.test('a report is read back assertion by assertion', async (t) => {
  const report = [
    'TAP version 14',
    '# Subtest: outer',
    '    # Subtest: inner',
    '        ok 1 - deep',
    '        not ok 2 - wrong',
    '          ---',
    '          found: |',
    '            ok 1 - quoted',
    '          ...',
    '        1..2',
    '    not ok 1 - inner # time=2ms',
    '    ok 2 - left out # SKIP no such device',
    '    1..2',
    'not ok 1 - outer # time=3ms',
    'ok 2 - flat',
    '# Subtest: short',
    '    ok 1 - begun',
    'not ok 3 - short # time=9ms',
    '1..3',
  ].join('\n');
  t.strictSame(
    readTapReport(report).map((result) => [result.outcome, result.path.join('/'), result.detail]),
    [
      ['passed', 'outer/inner/deep', ''],
      ['failed', 'outer/inner/wrong', '          found: |\n            ok 1 - quoted'],
      ['skipped', 'outer/left out', 'no such device'],
      ['passed', 'flat', ''],
      ['passed', 'short/begun', ''],
      ['failed', 'short', ''],
    ],
  );
});

// Longer than tap's usual 30 s: a kernel boots in here.
t.setTimeout(460_000);

/** Each check has its own limit; this one is for the kernel. */
const bootTimeoutMs = 440_000;

const search = findUml();
const skip = skipReason('uml') || (search.found ? false : search.reason);

t.test('a guest that does not end is killed, and says how far it came', { skip }, async (t) => {
  const script = 'while :; do sleep 1; done\n';
  const error: unknown = await bootUml({ script, timeoutMs: 5_000 }).catch((e: unknown) => e);
  t.type(error, BootFailure);
  t.match(error, { message: /killed after 5000 ms/, kernelLog: /ptrace/ });
});

t.test('under user-mode-linux', { skip }, async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'selvage-uml-reports-')));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const missing = umlChecks
    .map((check) => join(compiled, check.file))
    .filter((f) => !existsSync(f));
  if (missing.length > 0) throw new Error(`not compiled: ${missing.join(', ')}; run npm run build`);

  let boot: BootResult | undefined;
  try {
    boot = await bootUml({
      script: guestScript(umlChecks, { compiled, folder }),
      timeoutMs: bootTimeoutMs,
      writable: [folder],
      visible: [compiled],
    });
    t.equal(boot.exitCode, 0, 'the guest ran its script to the end');
    t.comment(`booted in ${boot.bootMs} ms, ${boot.totalMs} ms in all`);
  } catch (error) {
    if (!(error instanceof BootFailure)) throw error;
    t.fail(error.message);
  }
  // A kernel that complains (a warning, a lost reference) has met a bug that no check looked for.
  const complaints = boot?.kernelLog.match(/.*(BUG:|WARNING:|Oops|unregister_netdevice).*/g);
  t.notOk(complaints, 'the kernel has nothing to complain about', { complaints });

  for (const [index, check] of umlChecks.entries()) {
    await t.test(check.name, async (t) => {
      const files = checkFiles(folder, index);
      const report = read(files.report);
      const results = readTapReport(report);
      for (const { path, outcome, detail } of results) {
        const name = path.join(' / ');
        if (outcome === 'passed') t.pass(name);
        else t.fail(outcome === 'skipped' ? `skipped: ${name}` : name, { detail, ...placeless });
      }
      // Tables that the check made.
      for (const [, row] of report.matchAll(/^ *# (\|.*\|)$/gm)) t.comment(row);
      t.comment(/^# (time=.*)$/m.exec(report)?.[1] ?? 'it did not end');
      t.ok(results.length > 0, 'the check made assertions');
      const exit = read(files.exitCode).trim() || 'none: it never ended';
      t.equal(exit, '0', 'exit code', {
        errors: read(files.errors).slice(-4000),
        report: exit === '0' || exit === '1' ? '' : report.slice(-2000),
        ...placeless,
      });
    });
  }
});
