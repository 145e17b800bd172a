/**
 * The facts of the last detection, so that commands do not ask the metadata service again and
 * again. They belong to one boot and to one way of asking, and age by the time since the boot,
 * which no change of the clock touches.
 */
import { uptime } from 'node:os';
import { bootId } from '../agent/change-record.js';
import { readChecked, writeChecked } from '../agent/checked-file.js';
import type { MachineFacts } from './machine.js';
import { machineFromJson, machineToJson } from './machine-json.js';
import { field, numberField, parseJson, textsField } from './metadata-values.js';

export interface CachedMachine {
  readonly facts: MachineFacts;
  readonly notes: readonly string[];
  readonly ageMs: number;
}

export interface MachineCache {
  /** `key`: who is asked and where; another key is another answer. */
  read(key: string): CachedMachine | undefined;
  write(key: string, found: Omit<CachedMachine, 'ageMs'>): void;
}

export interface MachineCacheOptions {
  /** Below the runtime directory. */
  readonly path: string;
  /** Milliseconds since the boot. */
  readonly uptimeMs?: () => number;
  readonly boot?: () => string;
}

/** Addresses and groups of an instance change rarely, but without a boot. */
const maxAgeMs = 5 * 60_000;
/** Of an answer with gaps: the next one may have none. */
const maxPartialAgeMs = 10_000;

const version = 1;

export function machineCache(options: MachineCacheOptions): MachineCache {
  const { path, uptimeMs = () => uptime() * 1000, boot = bootId } = options;
  return {
    read(key) {
      const json = parseJson(contentOf(path) ?? '');
      if (field(json, 'version') !== version) return undefined;
      if (field(json, 'boot') !== boot() || field(json, 'key') !== key) return undefined;
      const facts = machineFromJson(field(json, 'machine'));
      const atMs = numberField(json, 'uptimeMs');
      if (facts === undefined || atMs === undefined) return undefined;
      const notes = textsField(json, 'notes');
      const ageMs = Math.round(uptimeMs()) - atMs;
      const limitMs = notes.length === 0 ? maxAgeMs : maxPartialAgeMs;
      return ageMs >= 0 && ageMs <= limitMs ? { facts, notes, ageMs } : undefined;
    },
    write(key, { facts, notes }) {
      const at = Math.round(uptimeMs());
      const machine = machineToJson(facts);
      const content = { version, boot: boot(), uptimeMs: at, key, machine, notes };
      try {
        writeChecked(path, `${JSON.stringify(content)}\n`);
      } catch {
        // No right to write there, or a full disk: it is asked for again.
      }
    },
  };
}

function contentOf(path: string): string | undefined {
  try {
    return readChecked(path);
  } catch {
    // Damaged, or not ours to read.
    return undefined;
  }
}
