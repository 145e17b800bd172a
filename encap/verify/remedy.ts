/** What would do away with an exclusion, in the words of the cluster file. */
import type { Exclusion, PairNames } from '../trail.js';
import { describeSource } from '../describe.js';

/** `names` are what the two ends are called: nodes, or their zones. */
export function remedyOf(exclusion: Exclusion, names: PairNames): string | undefined {
  switch (exclusion.code) {
    case 'switch':
      return `set "${exclusion.need.switch}: ${exclusion.need.value}" for ${names[exclusion.end]} once that is so`;
    case 'unconfirmed':
      return `say so below "firewall" of ${names[exclusion.end]}, or in "modes" of a link, if it passes`;
    case 'firewall':
      return `admit ${exclusion.traffic} in the firewall of ${names[exclusion.end]} and say so in the file`;
    case 'link':
      return `widen "modes" of the link at ${describeSource(exclusion.link.source)} if it carries more`;
    case 'foreign-fabric':
      return 'list native in "modes" of a link if its routers know the overlay prefixes';
    case 'public':
      return 'give it a private address that is routed, or "allowPublic: true" to a link';
    case 'accepts':
      return `correct "accepts" of ${names[exclusion.end]}, or let a rule choose another mode`;
    case 'no-outer-address':
      return `give both ends an IPv${exclusion.family} underlay address`;
    case 'mtu':
      return 'raise the MTU of the path, or let a rule choose a mode with less overhead';
    case 'rule':
      return `use "mode: auto" in rule ${exclusion.rule.name}, or narrow it`;
    default:
      return undefined;
  }
}

/** Those of several exclusions, each once. */
export function remediesOf(exclusions: readonly Exclusion[], names: PairNames): string {
  const all = exclusions.map((exclusion) => remedyOf(exclusion, names));
  return [...new Set(all.filter((text) => text !== undefined))].sort().join('; ');
}
