/**
 * Settings of the host as a whole that forwarding needs. They are not ours: what they were is kept
 * on disk before the first write, and `down` puts it back.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import type { LocalFacts } from '../../encap/cluster.js';
import type { Kernel, SysctlObject } from '../../tunnel/kernel.js';

/** What must be set for these NICs, in the order in which it must be written. */
export function hostSysctls(
  kernel: Kernel,
  local: LocalFacts,
  options: {
    /** Does any overlay pool hold IPv6? The host is left alone otherwise. */
    readonly ipv6: boolean;
  },
): readonly SysctlObject[] {
  const wanted: SysctlObject[] = [];
  const want = (path: string, value: string): void => {
    if (kernel.readSysctl(path) !== undefined) wanted.push({ type: 'sysctl', path, value });
  };
  want('net/ipv4/ip_forward', '1');
  const nics = new Set(Object.values(local.nics).map((nic) => nic.name));
  const strictAll = kernel.readSysctl('net/ipv4/conf/all/rp_filter') === '1';
  for (const nic of nics) {
    // A strict filter would drop native packets that come back another way than they went.
    const path = `net/ipv4/conf/${nic}/rp_filter`;
    const value = kernel.readSysctl(path);
    if (value === '2' || value === '1' || strictAll) want(path, '2');
    // A router ignores advertisements unless told otherwise: the default route would vanish.
    const acceptRa = `net/ipv6/conf/${nic}/accept_ra`;
    if (options.ipv6 && kernel.readSysctl(acceptRa) !== '0') want(acceptRa, '2');
  }
  if (options.ipv6) want('net/ipv6/conf/all/forwarding', '1');
  return wanted;
}

/** Values by their path below /proc/sys; any other shape is not this release's. */
const settings = z.record(z.string().startsWith('net/'), z.string());

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError)
    return `it is not a list of settings below net/ (${error.issues[0]?.path.join('.') ?? ''})`;
  return (error as Error).message;
}

/** The values from before the first write, in a file of the state directory. */
export class SysctlRecord {
  readonly #path: string;
  /** Values from before a write that could not be recorded yet. */
  readonly #unwritten = new Map<string, string>();
  /** Settings seen before: what they are later is not what they were before us. */
  readonly #seen = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  read(): Readonly<Record<string, string>> {
    try {
      return settings.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw new Error(
        `cannot read the record of host settings ${this.#path}: ${reasonOf(error)}; mend or remove it`,
        { cause: error },
      );
    }
  }

  /**
   * Keeps the present values of settings that are about to change and are not recorded yet. What
   * could not be written is kept in memory and written by the next call.
   */
  remember(kernel: Kernel, wanted: readonly SysctlObject[]): void {
    for (const { path, value } of wanted) {
      if (this.#seen.has(path)) continue;
      const present = kernel.readSysctl(path);
      if (present === undefined) continue;
      this.#seen.add(path);
      if (present !== value) this.#unwritten.set(path, present);
    }
    if (this.#unwritten.size === 0) return;
    const known = this.read();
    const added: Record<string, string> = {};
    for (const [path, value] of this.#unwritten) if (known[path] === undefined) added[path] = value;
    if (Object.keys(added).length > 0) this.#write({ ...known, ...added });
    this.#unwritten.clear();
  }

  #write(record: Readonly<Record<string, string>>): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const temporary = `${this.#path}.tmp`;
    try {
      writeFileSync(temporary, `${JSON.stringify(record, undefined, 2)}\n`);
      renameSync(temporary, this.#path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** The ops that put everything back, last written first. */
  restoring(): readonly SysctlObject[] {
    return Object.entries(this.read())
      .reverse()
      .map(([path, value]) => ({ type: 'sysctl', path, value }));
  }

  forget(): void {
    rmSync(this.#path, { force: true });
  }
}
