/** Most settings below /proc/sys change without a notification, so those that a plan wants are read now and then. */
import type { Kernel } from '../tunnel/kernel.js';
import type { DesiredObject } from './desired.js';

export interface SysctlWatchOptions {
  readonly kernel: Pick<Kernel, 'readSysctl'>;
  readonly clock: { setTimer(callback: () => void, delayMs: number): { cancel(): void } };
  readonly checkMs: number;
  /** Somebody is about to write them: no time to look. */
  readonly isBusy: () => boolean;
  readonly onChange: () => void;
}

export class SysctlWatch {
  readonly #options: SysctlWatchOptions;
  /** Values by path. */
  wanted: ReadonlyMap<string, string> = new Map();
  #seen: ReadonlyMap<string, string | undefined> = new Map();
  #timer: { cancel(): void } | undefined;

  constructor(options: SysctlWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, checkMs, isBusy } = this.#options;
    this.#timer = clock.setTimer(() => {
      this.start();
      if (!isBusy()) this.#check();
    }, checkMs);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #check(): void {
    const seen = new Map<string, string | undefined>();
    for (const [path, value] of this.wanted) {
      const present = this.#read(path);
      seen.set(path, present);
      // A value that cannot be had is one pass, not one a second.
      if (present !== value && present !== this.#seen.get(path)) this.#options.onChange();
    }
    this.#seen = seen;
  }

  #read(path: string): string | undefined {
    try {
      return this.#options.kernel.readSysctl(path);
    } catch {
      // The next pass reads it again and tells why it cannot.
      return undefined;
    }
  }
}

export function wantedSysctls(objects: Iterable<DesiredObject>): ReadonlyMap<string, string> {
  const wanted = new Map<string, string>();
  for (const object of objects) if (object.type === 'sysctl') wanted.set(object.path, object.value);
  return wanted;
}

/** The present values of the sysctls that a plan names. */
export function readSysctls(
  kernel: Pick<Kernel, 'readSysctl'>,
  objects: Iterable<DesiredObject>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const object of objects) {
    if (object.type !== 'sysctl') continue;
    const value = kernel.readSysctl(object.path);
    if (value !== undefined) values.set(object.path, value);
  }
  return values;
}
