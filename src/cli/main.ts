#!/usr/bin/env node
/** The command line of selvage: parses, runs one command, and turns every end into an exit code. */
import { CommanderError } from '@commander-js/extra-typings';
import { exitCodes } from './exit-codes.js';
import { reportFailure } from './failure.js';
import { programFor } from './program-for.js';

// A reader that has seen enough (`selvage … | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? exitCodes.ok);
  throw error;
});

try {
  const program = await programFor(process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its message; asking for help is no mistake.
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  } else {
    const { text, exitCode } = reportFailure(error, {
      debug: process.env['SELVAGE_DEBUG'] === '1',
    });
    process.stderr.write(`${text}\n`);
    process.exitCode = exitCode;
  }
}
