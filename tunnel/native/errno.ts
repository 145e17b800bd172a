/** Names for the numbers that the kernel answers with. */
import { getSystemErrorMap } from 'node:util';
import { constants } from 'node:os';

const codes: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([code, errno]) => [errno, code]),
);

/** Linux codes that Node's table lacks or words differently (asm-generic/errno.h). */
const linuxOnly: Readonly<Record<number, readonly [code: string, text: string]>> = {
  77: ['EBADFD', 'descriptor in bad state'],
  95: ['EOPNOTSUPP', 'operation not supported'],
  524: ['ENOTSUPP', 'operation not supported'],
};

/** Made once: Node builds the whole map at every call. */
const nodeErrors = getSystemErrorMap();

/** `17` → `EEXIST`. */
export function errnoCode(errno: number): string {
  return linuxOnly[errno]?.[0] ?? codes.get(errno) ?? `E${errno}`;
}

/** `17` → `file already exists`. */
export function errnoText(errno: number): string {
  return linuxOnly[errno]?.[1] ?? nodeErrors.get(-errno)?.[1] ?? 'unknown error';
}

/** `EEXIST` → `17`; 0 when unknown. */
export function errnoOf(code: string): number {
  for (const [errno, [name]] of Object.entries(linuxOnly)) if (name === code) return Number(errno);
  return (constants.errno as Readonly<Record<string, number>>)[code] ?? 0;
}

/** A system call that failed, with its errno. */
export class SystemCallError extends Error {
  readonly errno: number;
  readonly code: string;
  constructor(action: string, errno: number, hint?: string) {
    super(
      `${action}: ${errnoCode(errno)} (${errnoText(errno)})${hint === undefined ? '' : `; ${hint}`}`,
    );
    this.name = 'SystemCallError';
    this.errno = errno;
    this.code = errnoCode(errno);
  }
}
