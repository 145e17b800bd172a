/** What joining and leaving have in common. */
import { hostname } from 'node:os';
import { Option } from '@commander-js/extra-typings';
import { parseDuration } from '../../duration.js';

export function nameOption(description: string) {
  return new Option('--name <node>', description)
    .env('SELVAGE_NODE')
    .default(hostname().toLowerCase(), 'the host name');
}

export function waitOption() {
  return new Option('--wait <time>', 'for a store that does not answer')
    .argParser(parseDuration)
    .default(60_000, '60s');
}

export function defaultsFileOption() {
  return new Option(
    '--defaults-file <file>',
    "where the agent's unit gets the node's name from",
  ).default('/etc/default/selvage');
}
