/**
 * Scripts and units that no compiler reads: shellcheck for the shell, systemd's own check for units.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

const units = filesBelow('deploy/systemd').filter((path) => path.endsWith('.service'));

t.test(
  'systemd accepts the units, and finds them well confined',
  { skip: skipReason('systemd') },
  (t) => {
    const folder = join(t.testdir({}), 'units');
    mkdirSync(folder);
    for (const unit of units) {
      const name = unit.slice('deploy/systemd/'.length).replace('@.', '@slip4.');
      const copy = join(folder, name);
      // The command is not installed where tests run; what it is called with is checked below.
      writeFileSync(copy, readText(unit).replace(/^(Exec\w+=)\S+/gm, '$1/bin/true'));
      const verified = systemd(['verify', copy]);
      t.equal(verified.stdout + verified.stderr, '', unit);
      t.equal(verified.status, 0, unit);
      // systemd's own measure, 0–10 in tenths: a service with no confinement has 96.
      const security = systemd(['security', '--offline=true', '--threshold=30', copy]);
      t.equal(security.status, 0, security.stdout);
    }
    t.end();
  },
);

t.test('the units have two capabilities, survive an agent, and reload', (t) => {
  t.same(units, ['deploy/systemd/selvage-agent.service', 'deploy/systemd/selvage-plane@.service']);
  for (const unit of units) {
    const lines = readText(unit).split('\n');
    for (const setting of ['CapabilityBoundingSet', 'AmbientCapabilities'])
      t.same(
        lines.filter((line) => line.startsWith(`${setting}=`)),
        [`${setting}=CAP_NET_ADMIN CAP_NET_RAW`],
        unit,
      );
    // Without it a restart of one service would remove the socket of the other.
    t.ok(lines.includes('RuntimeDirectoryPreserve=yes'), unit);
    t.ok(lines.includes('RuntimeDirectoryMode=0700'), unit);
  }
  const agent = readText('deploy/systemd/selvage-agent.service');
  t.match(agent, /^ExecStart=\/usr\/bin\/selvage agent \$SELVAGE_AGENT_OPTIONS$/m);
  t.match(agent, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m);
  t.match(agent, /^KillMode=process$/m, 'a plane that the agent started outlives it');
  // Only its own process speaks for it, and it is started anew when it is stuck.
  t.match(agent, /^Type=notify\nNotifyAccess=main$/m);
  t.match(agent, /^WatchdogSec=90s$/m);
  t.notMatch(agent, /^ProtectKernelTunables=yes/m, 'the agent writes below /proc/sys/net');
  t.end();
});

function systemd(args: readonly string[]): {
  stdout: string;
  stderr: string;
  status: number | null;
} {
  return spawnSync('systemd-analyze', args, { encoding: 'utf8' });
}
