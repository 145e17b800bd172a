/**
 * The configuration that is in force, of all versions in the store: the highest good one. A version
 * that is bad is named and passed over, so it never replaces a good one. In a change that is led in
 * phases two versions count: the one that packets are sent by, and the other by which they are
 * received as well.
 */
import type { Cluster } from '../../../encap/cluster.js';
import { formatProblem } from '../../config/problem.js';
import type { FleetSettings } from '../../config/read-fleet.js';
import { readClusterFile } from '../../config/reader.js';
import type { Entry } from '../kv.js';
import { clusterNamed } from './cluster-name.js';
import { bounded } from './problem-lines.js';
import type { ConfigValue } from './records.js';
import { readConfigValue } from './values.js';

export interface Chosen {
  /** Number of the newest version that counts. */
  readonly version: number;
  /** Of the version that packets are sent by; of the configuration's own nodes alone. */
  readonly cluster: Cluster;
  readonly fleet: FleetSettings;
  readonly phase?: NonNullable<ConfigValue['changeover']>['phase'];
  /** Of the version that packets are received by besides. */
  readonly other?: Cluster;
  /** Of the versions in use. */
  readonly warnings: readonly string[];
}

export interface Choice {
  /** Undefined: there is no good version. */
  readonly chosen: Chosen | undefined;
  /** What is wrong with newer ones. */
  readonly problems: readonly string[];
}

type Parsed =
  | {
      readonly ok: true;
      readonly cluster: Cluster;
      readonly fleet: FleetSettings;
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

export interface VersionsOptions {
  /** That they are of. */
  readonly cluster: string;
  /** Name of a version, for messages and for the places that explanations point at. */
  fileOf(version: string): string;
  /** Ends a reading that is under way. */
  readonly signal: AbortSignal;
}

/** Lines about one bad version. */
const shownProblems = 5;

export class Versions {
  readonly #options: VersionsOptions;
  readonly #entries = new Map<string, Entry>();
  /** By key, of a text; what is not looked at any more is forgotten. */
  #parsed = new Map<string, { readonly text: string; readonly result: Promise<Parsed> }>();

  constructor(options: VersionsOptions) {
    this.#options = options;
  }

  put(id: string, entry: Entry): void {
    this.#entries.set(id, entry);
  }

  delete(id: string): void {
    this.#entries.delete(id);
  }

  async choose(): Promise<Choice> {
    const problems: string[] = [];
    const before = this.#parsed;
    const used: typeof before = new Map();
    const parse = (id: string, text: string): Promise<Parsed> => {
      const known = used.get(id) ?? before.get(id);
      const result = known?.text === text ? known.result : this.#parse(id, text);
      used.set(id, { text, result });
      return result;
    };
    let chosen: Chosen | undefined;
    // A snapshot: what comes meanwhile is for the next choice.
    const entries = new Map(this.#entries);
    for (const id of [...entries.keys()].sort(newestFirst)) {
      const read = readVersion(id, entries.get(id)!);
      if (!read.ok) {
        problems.push(`${this.#options.fileOf(id)}: ${read.problem}`);
        continue;
      }
      const { text, changeover } = read.value;
      const own = await parse(id, text);
      if (!own.ok) {
        problems.push(...own.problems);
        continue;
      }
      const version = Number(id);
      const { warnings } = own;
      if (changeover === undefined || changeover.phase === 'settled') {
        chosen = {
          ...{ version, cluster: own.cluster, fleet: own.fleet, warnings },
          ...(changeover === undefined ? {} : { phase: changeover.phase }),
        };
        break;
      }
      const { phase, from } = changeover;
      const fromId = [...entries.keys()].find((key) => isVersion(key) && Number(key) === from);
      const fromRead = fromId === undefined ? undefined : readVersion(fromId, entries.get(fromId)!);
      const old = fromRead?.ok === true ? await parse(fromId!, fromRead.value.text) : undefined;
      if (old?.ok === true) {
        const [sent, other] = phase === 'prepare' ? [old, own] : [own, old];
        const { cluster, fleet } = sent;
        chosen = { version, cluster, fleet, phase, other: other.cluster, warnings };
        break;
      }
      const what = `${this.#options.fileOf(id)}: it is to replace version ${from}, which is ${fromId === undefined ? 'not there' : 'not good'}`;
      if (phase === 'prepare') {
        problems.push(`${what}; it is not used`);
        continue;
      }
      chosen = {
        ...{ version, cluster: own.cluster, fleet: own.fleet },
        warnings: [...warnings, `${what}; nodes go over by their settle time`],
      };
      break;
    }
    this.#parsed = used;
    return { chosen, problems };
  }

  async #parse(id: string, text: string): Promise<Parsed> {
    const file = this.#options.fileOf(id);
    const result = await readClusterFile(
      { bytes: Buffer.from(text, 'utf8'), file, members: 'registering' },
      { signal: this.#options.signal },
    );
    if (!result.ok) {
      // That says something of this machine and nothing of the text: the next choice tries again.
      if (result.problems.some(({ code }) => code === 'reader-failed')) this.#parsed.delete(id);
      const lines = result.problems
        .filter(({ severity }) => severity === 'error')
        .map((problem) => formatProblem(problem));
      const more = lines.length - shownProblems;
      return {
        ok: false,
        problems: [
          ...lines.slice(0, shownProblems),
          ...(more > 0 ? [`${file}: and ${more} more`] : []),
        ],
      };
    }
    const named = clusterNamed(result.cluster, this.#options.cluster);
    if (!named.ok) return { ok: false, problems: [`${file}: ${named.problem}`] };
    const { cluster } = named;
    const { fleet } = result;
    return { ok: true, cluster, fleet, warnings: result.warnings.map((it) => formatProblem(it)) };
  }
}

/** What is no version comes first, to be named whatever follows. */
function newestFirst(a: string, b: string): number {
  const rank = (id: string): number => (isVersion(id) ? Number(id) : Number.MAX_SAFE_INTEGER);
  return rank(b) - rank(a) || (a < b ? 1 : -1);
}

/** What is wrong with the configuration, for people. */
export function choiceProblems(
  choice: Choice | undefined,
  now: { readonly store: string; readonly inForce: Chosen | undefined },
): readonly string[] {
  if (choice === undefined) return [];
  const { chosen, problems } = choice;
  const { store, inForce } = now;
  const none =
    inForce === undefined
      ? `${store} holds no configuration: write one with "selvage config set"`
      : `${store} has no usable configuration any more: version ${inForce.version} stays in force`;
  const isTold = chosen !== undefined || (inForce === undefined && problems.length > 0);
  return [
    ...bounded(problems),
    ...(isTold ? [] : [none]),
    ...bounded((chosen ?? inForce)?.warnings ?? []),
  ];
}

function isVersion(id: string): boolean {
  return /^[0-9]{1,15}$/.test(id);
}

function readVersion(id: string, entry: Entry): ReturnType<typeof readConfigValue> {
  return isVersion(id) ? readConfigValue(entry) : { ok: false, problem: 'its key is no version' };
}
