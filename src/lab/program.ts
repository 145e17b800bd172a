/**
 * Command lines for programs of this package, from the compiled files and from the sources alike:
 * the other program has this file's extension, and starts with the loaders that this process has.
 */
import { fileURLToPath } from 'node:url';

/** `selvage` itself. */
export function selvageProgram(): readonly string[] {
  return nodeProgram('../cli/main');
}

/** The process that makes and counts the lab's packets. */
export function trafficProgram(): readonly string[] {
  return nodeProgram('./traffic');
}

function nodeProgram(module: string): readonly string[] {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const file = fileURLToPath(new URL(`${module}${extension}`, import.meta.url));
  return [process.execPath, ...process.execArgv, file];
}
