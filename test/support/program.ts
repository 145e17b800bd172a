/**
 * `selvage` as somebody types it. The test runner has every process that is started load its hooks,
 * which would take nearly half of a short command's time.
 */
import { selvageProgram } from '../../src/lab/program.js';

export function typedProgram(): readonly string[] {
  return ['/usr/bin/env', '-u', 'NODE_OPTIONS', ...selvageProgram()];
}
