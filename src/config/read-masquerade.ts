/** Which workloads leave the overlay under an address of their node's, as the file says. */
import type { Masquerade } from '../../encap/cluster.js';
import { defaultMasquerade, everyPrefix, privatePrefixes } from '../../encap/masquerade.js';
import type { Prefix } from '../../encap/prefix.js';
import { isFault, readPrefix } from './address-text.js';
import { items } from './draft.js';
import type { Report } from './report.js';
import type { OverlayEntry } from './overlay-schema.js';

const none: readonly Prefix[] = Object.freeze([]);

export function readMasquerade(written: OverlayEntry['masquerade'], report: Report): Masquerade {
  if (written === undefined) return defaultMasquerade;
  if (typeof written === 'boolean')
    return Object.freeze({ sources: written ? everyPrefix : none, exclude: none });
  const read = (key: 'sources' | 'exclude'): readonly Prefix[] => {
    const prefixes: Prefix[] = [];
    for (const [text, path] of items(written[key], ['overlay', 'masquerade', key])) {
      const prefix = readPrefix(text);
      if (isFault(prefix)) report.add({ ...prefix, path, value: text });
      else prefixes.push(prefix);
    }
    return Object.freeze(prefixes);
  };
  const sources = written.sources === undefined ? privatePrefixes : read('sources');
  return Object.freeze({ sources, exclude: read('exclude') });
}
