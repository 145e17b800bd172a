/**
 * Command lines for programs of this package, from the compiled files and from the sources alike:
 * the other program has this file's extension. Sources start with the loaders that this process has;
 * compiled files need none, and whatever this process was given besides would only slow them down.
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
  const isSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(`${module}${isSource ? '.ts' : '.js'}`, import.meta.url));
  return [process.execPath, ...(isSource ? process.execArgv : []), file];
}
