/**
 * Where this machine keeps user-mode-linux, or why it cannot be used.
 *
 * Debian's package `user-mode-linux` has the kernel (an ordinary program) and its modules; `kmod`
 * has the `modprobe` that loads them, which a container usually lacks.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Uml {
  /** The kernel. */
  readonly binary: string;
  /** `/usr/lib/uml/modules`: one folder a kernel release. */
  readonly modules: string;
  /** Releases that there are modules for, e.g. `6.1.176`. */
  readonly releases: readonly string[];
}

export type UmlSearch =
  | { readonly found: true; readonly uml: Uml }
  /** `reason` says what to install. */
  | { readonly found: false; readonly reason: string };

const modulesFolder = '/usr/lib/uml/modules';
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function onPath(command: string): string | undefined {
  return `${process.env['PATH'] ?? ''}:${systemPath}`
    .split(':')
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, command))
    .find((file) => existsSync(file));
}

export function findUml(): UmlSearch {
  const missing = (reason: string): UmlSearch => ({ found: false, reason });
  if (process.arch !== 'x64')
    return missing(`user-mode-linux runs on x64 only, not ${process.arch}`);
  const binary = onPath('linux.uml');
  if (binary === undefined) return missing('no linux.uml: apt-get install user-mode-linux');
  const releases = existsSync(modulesFolder) ? readdirSync(modulesFolder) : [];
  if (releases.length === 0)
    return missing(`no modules in ${modulesFolder}: apt-get install user-mode-linux`);
  if (onPath('modprobe') === undefined) return missing('no modprobe: apt-get install kmod');
  return { found: true, uml: Object.freeze({ binary, modules: modulesFolder, releases }) };
}
