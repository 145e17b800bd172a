/** Text goldens in test/golden: compared as they are, written anew with SELVAGE_UPDATE_GOLDEN=1. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fromRoot } from './root.js';

interface Comparing {
  equal(found: string, wanted: string, message: string): unknown;
}

export function matchGolden(t: Comparing, name: string, text: string): void {
  const file = fromRoot('test', 'golden', name);
  if (process.env['SELVAGE_UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const wanted = existsSync(file) ? readFileSync(file, 'utf8') : '(no golden yet)';
  t.equal(text, wanted, `test/golden/${name}`);
}
