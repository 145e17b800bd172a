/**
 * Names that links and rules refer to: do they exist, and if not, what was meant?
 */
import type { Provider } from '../../encap/cluster.js';
import type { DraftNode, DraftZone, Drafts } from './draft.js';
import { suggestName } from './names.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';

const maxSearches = 200;

export interface Known {
  readonly zones: Drafts<DraftZone>;
  readonly nodes: Drafts<DraftNode>;
}

export class References {
  readonly known: Known;
  readonly #report: Report;
  readonly #regions: ReadonlySet<string>;
  readonly #providers: ReadonlySet<Provider>;
  /** `key=value` of every label of every node. */
  readonly #labels: ReadonlySet<string>;
  readonly #labelsComplete: boolean;
  /** Every key that makes a zone's region or provider unknown. */
  readonly #zonesComplete: boolean;

  #searches = 0;

  constructor(known: Known, report: Report) {
    this.known = known;
    this.#report = report;
    const zones = known.zones.list;
    this.#regions = new Set(zones.flatMap(({ zone }) => zone.region ?? []));
    this.#providers = new Set(zones.map(({ zone }) => zone.provider));
    const labels = new Set<string>();
    for (const { node } of known.nodes.list)
      for (const [key, value] of Object.entries(node.labels)) labels.add(`${key}=${value}`);
    this.#labels = labels;
    this.#labelsComplete =
      known.nodes.complete && !known.nodes.list.some(({ bad }) => bad.has('labels'));
    this.#zonesComplete =
      known.zones.complete &&
      !zones.some(({ bad }) => bad.has('region') || bad.has('provider') || bad.has('name'));
  }

  zone(name: string, path: Path): void {
    const { byName, complete } = this.known.zones;
    if (!complete || byName.has(name)) return;
    this.#report.add({
      code: 'unknown-zone',
      path,
      value: name,
      message: `there is no zone "${name}"`,
      remedy: this.#suggest(name, byName.keys(), 'add it below "zones:", or correct the name'),
    });
  }

  node(name: string, path: Path): void {
    const { byName, complete } = this.known.nodes;
    if (!complete || byName.has(name)) return;
    this.#report.add({
      code: 'unknown-node',
      path,
      value: name,
      message: `there is no node "${name}"`,
      remedy: this.#suggest(name, byName.keys(), 'correct the name, or remove it'),
    });
  }

  region(name: string, path: Path): void {
    if (!this.#zonesComplete || this.#regions.has(name)) return;
    this.#report.add({
      code: 'unknown-region',
      path,
      value: name,
      message: `no zone has the region "${name}"`,
      remedy: this.#suggest(name, this.#regions, 'add "region:" to the zones meant'),
    });
  }

  provider(provider: Provider, path: Path): void {
    if (!this.#zonesComplete || this.#providers.has(provider)) return;
    this.#unused(path, {
      value: provider,
      message: `no zone is of provider ${provider}`,
      remedy: 'add "provider:" to the zones meant, or leave it for zones to come',
    });
  }

  label(label: { readonly key: string; readonly value: string }, path: Path): void {
    const text = `${label.key}=${label.value}`;
    if (!this.#labelsComplete || this.#labels.has(text)) return;
    this.#unused(path, {
      value: text,
      message: `no node has the label ${text}`,
      remedy: this.#suggest(text, this.#labels, 'add it to the nodes meant'),
    });
  }

  /** Searches for the nearest name are many comparisons: a file full of mistakes gets some. */
  #suggest(name: string, known: Iterable<string>, otherwise: string): string {
    this.#searches += 1;
    return this.#searches > maxSearches ? otherwise : suggestName(name, known, otherwise);
  }

  #unused(path: Path, finding: { value: string; message: string; remedy: string }): void {
    this.#report.add({ code: 'unused-value', severity: 'warning', path, ...finding });
  }
}
