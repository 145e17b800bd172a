/** A file, or standard input, becomes the next version. */
import { buffer } from 'node:stream/consumers';
import { splitFiles } from '../../config/file-set.js';
import { maxFileBytes } from '../../config/limits.js';
import { readClusterBytes } from '../../config/load.js';
import { decodeText } from '../../config/text.js';
import { Failure, unableFailure } from '../failure.js';
import { exitCodes } from '../exit-codes.js';
import type { Format } from '../options.js';
import { printAnswer } from '../output.js';
import { renderConfigChange } from '../render/config-change.js';
import type { StoreFlags } from '../store-options.js';
import type { ChangeFlags } from './options.js';
import { type ConfigChangeReport, exitCodeOf, propose } from './propose.js';
import { withConfigStore, writer } from './store.js';

export async function setConfig(
  file: string,
  options: StoreFlags &
    ChangeFlags & {
      readonly ifVersion?: number | undefined;
      readonly dryRun: boolean;
      readonly output: Format;
    },
): Promise<void> {
  const { text, name } = await readText(file);
  const report = await withConfigStore(options, (target) =>
    propose(target, {
      proposal: {
        text,
        file: name,
        by: writer(),
        at: new Date(),
        message: options.message,
        ifVersion: options.ifVersion,
      },
      flags: options,
    }),
  );
  await printChange(report, { text, output: options.output });
}

export async function printChange(
  report: ConfigChangeReport,
  { text, output }: { readonly text: string; readonly output: Format },
): Promise<void> {
  await printAnswer(report, {
    output,
    render: (shown, terminal) => renderConfigChange(shown, { ...terminal, text }),
  });
  process.exitCode = exitCodeOf(report.outcome);
}

/** Of a file, or with `-` of standard input. */
export async function readText(
  file: string,
): Promise<{ readonly text: string; readonly name: string }> {
  const name = file === '-' ? 'standard input' : file;
  const decoded = decodeText(file === '-' ? await buffer(process.stdin) : await bytesOf(file));
  if (decoded.ok) return { text: decoded.text, name };
  const { line, column, message, value, remedy } = decoded;
  throw new Failure(`${name}:${line}:${column}: ${message} (${value}); ${remedy}`, exitCodes.found);
}

async function bytesOf(file: string): Promise<Uint8Array> {
  const read = await readClusterBytes(file);
  if (!read.ok) {
    const [problem] = read.problems;
    throw unableFailure(`cannot read ${file}: ${problem?.message}; ${problem?.remedy}`);
  }
  if (splitFiles(read.bytes) === undefined) return read.bytes;
  throw unableFailure(
    `cannot store ${file}: it is a directory, and a version is one file of at most ${maxFileBytes} bytes; put its files together in one`,
  );
}
