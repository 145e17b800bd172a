/**
 * By hand: `node dist/test/uml/run-in-uml.js [--mem MB] [--timeout S] [--module NAME]…
 * [--writable FOLDER]… [--kernel-log] -- COMMAND…` runs a command under user-mode-linux, with the
 * current folder and its output, and ends with its exit code. Compiled Node programs of this
 * repository run as they are: `… -- node dist/src/cli/main.js version`.
 */
import { parseArgs } from 'node:util';
import { bootUml, BootFailure, defaultModules } from './boot.js';
import { shellQuote } from './init-script.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mem: { type: 'string', default: '1024' },
    timeout: { type: 'string', default: '120' },
    module: { type: 'string', multiple: true, default: [] },
    writable: { type: 'string', multiple: true, default: [] },
    visible: { type: 'string', multiple: true, default: [] },
    'kernel-log': { type: 'boolean', default: false },
  },
});
if (positionals.length === 0) {
  process.stderr.write('no command to run in the guest: add -- COMMAND…\n');
  process.exit(2);
}

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => abort.abort());

try {
  const result = await bootUml({
    script: `cd ${shellQuote(process.cwd())} && exec ${positionals.map(shellQuote).join(' ')}\n`,
    memMb: Number(values.mem),
    timeoutMs: Number(values.timeout) * 1000,
    modules: [...defaultModules, ...values.module],
    writable: values.writable,
    visible: [process.cwd(), ...values.visible],
    onOutput: (text) => process.stdout.write(text),
    signal: abort.signal,
  });
  if (values['kernel-log']) process.stderr.write(result.kernelLog);
  process.stderr.write(
    `exit ${result.exitCode} · booted in ${result.bootMs} ms, ${result.totalMs} ms in all\n`,
  );
  process.exitCode = result.exitCode;
} catch (error) {
  process.stderr.write(`${error instanceof BootFailure ? error.message : String(error)}\n`);
  process.exitCode = 125;
}
