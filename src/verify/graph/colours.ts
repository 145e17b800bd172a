/** One colour a mode, told apart by lightness as well, with a darker one for lines and text. */
import type { GraphMode } from './model.js';

export interface Colours {
  readonly fill: string;
  readonly line: string;
}

export const colours: Readonly<Record<GraphMode, Colours>> = {
  native: { fill: '#cfe8c4', line: '#2f7d32' },
  ipip: { fill: '#a9cdf0', line: '#1d5fa8' },
  vxlan: { fill: '#f4bd72', line: '#a85a00' },
  none: { fill: '#d4d4d4', line: '#7a7a7a' },
};

export const modeWords: Readonly<Record<GraphMode, string>> = {
  native: 'native',
  ipip: 'IP-in-IP',
  vxlan: 'VXLAN',
  none: 'not carried',
};
