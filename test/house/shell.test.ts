/**
 * Scripts and units that no compiler reads: shellcheck for the shell, systemd's own check for units.
 */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import t from 'tap';
import { skipReason } from '../support/capabilities.js';
import { fromRoot, root } from '../support/root.js';
import { filesBelow, readText } from './sources.js';

const scripts = [...filesBelow().filter((path) => path.endsWith('.sh')), '.ci/run'];

t.test('shellcheck finds nothing', { skip: skipReason('shellcheck') }, (t) => {
  // SC2016: programs for node and awk are quoted singly on purpose. SC2317: functions passed by name.
  const result = spawnSync('shellcheck', ['--exclude=SC2016,SC2317', ...scripts], {
    cwd: root,
    encoding: 'utf8',
  });
  t.equal(result.stdout, '');
  t.equal(result.status, 0);
  t.end();
});

t.test('every script can be executed, says what it is for and stops at an error', (t) => {
  for (const path of scripts) {
    const text = readText(path);
    t.match(text, /^#!\/(usr\/bin\/env bash|bin\/sh)\n# \S/, path);
    t.match(text, /^set -eu/m, path);
    t.ok(statSync(fromRoot(path)).mode & 0o100, `${path} is executable`);
  }
  t.end();
});
