/**
 * The fleet as whoever leads a change sees it: the cluster with its nodes as every agent puts it
 * together, the versions of the configuration, and what the nodes say of themselves. By watches, so
 * it costs the store one message an event, and it sees a node that joins when the agents do.
 */
import type { ConfigHistory } from '../store/fleet/config-history.js';
import { readHistory } from '../store/fleet/config-history.js';
import type { ConfigTarget } from '../store/fleet/config-write.js';
import { Folder } from '../store/fleet/folder.js';
import { type FleetStore, openFleetStore } from '../store/fleet/open.js';
import type { Entry } from '../store/kv.js';
import type { Reading } from './stage.js';

export class FleetView {
  readonly #target: ConfigTarget;
  readonly #store: FleetStore;
  readonly #status: Folder;
  readonly #config: Folder;
  readonly #statuses = new Map<string, Entry>();
  readonly #onChange: () => void;
  readonly #told: Promise<unknown>;
  /** Of the last message about versions. */
  #configRevision = 0;
  #history: { readonly revision: number; readonly history: ConfigHistory } | undefined;
  readonly #broken = new Map<string, string>();

  constructor(
    target: ConfigTarget,
    options: { readonly cluster: string; readonly onChange: () => void },
  ) {
    this.#target = target;
    this.#onChange = options.onChange;
    const { kv, keys } = target;
    this.#store = openFleetStore(kv, { cluster: options.cluster });
    this.#store.onChange(() => this.#onChange());
    const folder = (
      name: string,
      prefix: string,
      handlers: Pick<ConstructorParameters<typeof Folder>[1]['handlers'], 'put' | 'delete'>,
    ) => {
      let told = (): void => undefined;
      const ready = new Promise<void>((resolve) => (told = resolve));
      const opened = new Folder(kv, {
        prefix,
        handlers: {
          ...handlers,
          told: (revision) => {
            if (name === 'config') this.#configRevision = revision;
            told();
            this.#onChange();
          },
          onState: (state) => {
            if (state.kind === 'broken') this.#broken.set(name, state.problem);
            else this.#broken.delete(name);
            this.#onChange();
          },
        },
      });
      return { opened, ready };
    };
    const status = folder('status', keys.statuses, {
      put: (node, entry) => void this.#statuses.set(node, entry),
      delete: (node) => void this.#statuses.delete(node),
    });
    const config = folder('config', keys.configs, {
      put: () => undefined,
      delete: () => undefined,
    });
    this.#status = status.opened;
    this.#config = config.opened;
    this.#told = Promise.all([this.#store.read(), status.ready, config.ready]);
  }

  /** Why what is known may be out of date; undefined: it is not. */
  get problem(): string | undefined {
    const [problem] = this.#broken.values();
    return problem ?? (this.#store.health.synced ? undefined : this.#store.health.problem);
  }

  /** Resolves when everything has been told once. */
  async ready(): Promise<void> {
    await this.#told;
  }

  /** As the last message left them. */
  async history(): Promise<ConfigHistory> {
    const revision = this.#configRevision;
    if (this.#history?.revision !== revision)
      this.#history = {
        revision,
        history: await readHistory(this.#target.kv, this.#target.keys),
      };
    return this.#history.history;
  }

  /** Undefined: there is no configuration that counts. */
  async reading(): Promise<Reading | undefined> {
    await this.#store.settled();
    const cluster = this.#store.current;
    return cluster === undefined ? undefined : { cluster, statuses: this.#statuses };
  }

  /**
   * Has everybody who is registered in this moment been seen? Before a phase is written: somebody
   * who has just joined is waited for like the others.
   */
  async sawEveryRecord(reading: Reading): Promise<boolean> {
    const { kv, keys } = this.#target;
    const seen = this.#seen;
    for (const { key, modRevision } of (await kv.list(keys.records)).entries) {
      const node = key.slice(keys.records.length);
      if (reading.cluster.nodes.get(node) !== undefined || seen.get(node) === modRevision) continue;
      // A record that does not count makes no node, however long one waits.
      seen.set(node, modRevision);
      return false;
    }
    return true;
  }

  readonly #seen = new Map<string, number>();

  close(): void {
    this.#status.close();
    this.#config.close();
    this.#store.close();
  }
}
