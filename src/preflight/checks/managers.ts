/**
 * Programs that manage networks and may take our devices for theirs, or delete routes that they did
 * not make: seen by their state at run time, and by their own settings. The agent repairs what they
 * undo, again and again, so none of them loses packets for long; each has a setting that ends it.
 */
import { ownDeviceNames } from '../../../routes/ownership.js';
import { type Check, fix, ok, skip, warn } from '../check.js';
import type { Machine } from '../machine.js';

/** The shape of a shell pattern, as fnmatch(3) has it: *, ? and [sets]. */
function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  try {
    return new RegExp(`^${source}$`).test(name);
  } catch {
    return false;
  }
}

const patterns = ['slv4?', 'slv6?', 'slip4*', 'slip6', 'slsit4*'] as const;

export const networkManager: Check = {
  id: 'network-manager',
  group: 'conflicts',
  title: 'NetworkManager',
  about: 'NetworkManager leaves our devices alone (unmanaged-devices)',
  run: ({ machine }) => {
    if (!machine.exists('run/NetworkManager')) return skip('does not run');
    const settings = machine.settings(
      ['etc/NetworkManager/NetworkManager.conf'],
      ['etc/NetworkManager/conf.d', 'run/NetworkManager/conf.d', 'usr/lib/NetworkManager/conf.d'],
    );
    const left = unmanaged(settings);
    const managed = [...ownDeviceNames].filter(
      (name) => !left.some((pattern) => matchesPattern(pattern, name)),
    );
    if (managed.length === 0) return ok('runs, and leaves our devices alone');
    return warn({
      found: `runs, and would manage ${managed.join(', ')}`,
      needed: 'our devices among the unmanaged ones',
      fix: {
        text: 'write the file and load it; nothing is interrupted',
        file: {
          path: '/etc/NetworkManager/conf.d/90-selvage.conf',
          lines: [
            '[keyfile]',
            `unmanaged-devices+=${patterns.map((pattern) => `interface-name:${pattern}`).join(';')}`,
          ],
        },
        commands: ['nmcli general reload'],
      },
    });
  },
};

/** NetworkManager.conf(5): `=` begins the list anew, `+=` adds to it. */
function unmanaged(settings: ReturnType<Machine['settings']>): readonly string[] {
  let list: readonly string[] = [];
  for (const { section, key, value } of settings) {
    if (section !== 'keyfile' && section !== 'main') continue;
    const words = value.split(/[;,]/).map((word) => word.trim());
    const names = words.flatMap((word) =>
      word.startsWith('interface-name:')
        ? [word.slice(15).replace(/^=/, '')]
        : word === '*'
          ? ['*']
          : [],
    );
    if (key === 'unmanaged-devices') list = names;
    if (key === 'unmanaged-devices+') list = [...list, ...names];
  }
  return list;
}

export const networkd: Check = {
  id: 'networkd',
  group: 'conflicts',
  title: 'systemd-networkd',
  about: 'systemd-networkd neither deletes our routes nor manages our devices',
  run: ({ machine }) => {
    if (!machine.exists('run/systemd/netif/state')) return skip('does not run');
    const settings = machine.settings(
      ['etc/systemd/networkd.conf'],
      [
        'etc/systemd/networkd.conf.d',
        'run/systemd/networkd.conf.d',
        'usr/lib/systemd/networkd.conf.d',
      ],
    );
    const isOff = (name: string): boolean =>
      /^(no|false|off|0)$/i.test(
        settings.filter(({ section, key }) => section === 'Network' && key === name).at(-1)
          ?.value ?? '',
      );
    const deletes = ['ManageForeignRoutes', 'ManageForeignRoutingPolicyRules'].filter(
      (name) => !isOff(name),
    );
    const claims = claimedDevices(machine);
    if (deletes.length === 0 && claims === undefined)
      return ok('runs, and leaves routes and devices alone');
    const found = [
      ...(deletes.length > 0
        ? [`deletes others' routes and rules whenever it configures a link (${deletes.join(', ')})`]
        : []),
      ...(claims === undefined ? [] : [`${claims} matches our devices`]),
    ];
    return warn({
      found: `runs, and ${found.join('; ')}`,
      needed: 'routes and devices of others left alone',
      fix: {
        text: 'write the file; it is read when systemd-networkd starts',
        file:
          deletes.length > 0
            ? {
                path: '/etc/systemd/networkd.conf.d/90-selvage.conf',
                lines: [
                  '[Network]',
                  'ManageForeignRoutes=no',
                  'ManageForeignRoutingPolicyRules=no',
                ],
              }
            : {
                path: '/etc/systemd/network/05-selvage.network',
                lines: ['[Match]', `Name=${patterns.join(' ')}`, '[Link]', 'Unmanaged=yes'],
              },
        commands: [deletes.length > 0 ? 'systemctl restart systemd-networkd' : 'networkctl reload'],
      },
    });
  },
};

/** The first .network file, in the order of names, that matches one of our devices; systemd.network(5). */
function claimedDevices(machine: Machine): string | undefined {
  const folders = ['etc/systemd/network', 'run/systemd/network', 'usr/lib/systemd/network'];
  const files = new Map<string, string>();
  for (const folder of folders)
    for (const name of machine.list(folder))
      if (name.endsWith('.network') && !files.has(name)) files.set(name, `${folder}/${name}`);
  for (const [, path] of [...files].sort()) {
    const text = machine.read(path) ?? '';
    const match = /^\s*\[Match\]([^[]*)/m.exec(text)?.[1] ?? '';
    // Other conditions (a type, a driver, a MAC) keep it from a tunnel device.
    const names = /^\s*Name\s*=\s*(.*)$/m.exec(match)?.[1]?.trim().split(/\s+/) ?? [];
    if (!names.some((name) => !name.startsWith('!') && matchesPattern(name, 'slv4a'))) continue;
    return /^\s*Unmanaged\s*=\s*(yes|true|on|1)\s*$/im.test(text) ? undefined : path;
  }
  return undefined;
}

export const cloudInit: Check = {
  id: 'cloud-init',
  group: 'conflicts',
  title: 'cloud-init',
  about: 'cloud-init does not write the network settings anew in a way that touches our devices',
  run: ({ machine }) => {
    if (!machine.exists('run/cloud-init')) return skip('does not run');
    const off = machine
      .list('etc/cloud/cloud.cfg.d')
      .some((name) =>
        /^\s*network:\s*\{?\s*config:\s*disabled/m.test(
          machine.read(`etc/cloud/cloud.cfg.d/${name}`) ?? '',
        ),
      );
    if (off) return ok('runs, and leaves the network alone');
    const written = [
      'etc/netplan/50-cloud-init.yaml',
      'etc/network/interfaces.d/50-cloud-init',
      'etc/sysconfig/network-scripts/ifcfg-eth0',
    ].filter((path) => machine.exists(path));
    const touches = written.filter((path) =>
      [...ownDeviceNames].some((name) =>
        new RegExp(`\\b${name}\\b`).test(machine.read(path) ?? ''),
      ),
    );
    if (touches.length === 0)
      return ok(
        `runs; the NIC's settings, its MTU too, come from it${written[0] === undefined ? '' : ` (/${written[0]})`}`,
      );
    return warn({
      found: `/${touches[0]} has settings for our devices`,
      needed: 'tunnel devices that nobody else configures',
      fix: fix(
        'take them out of the network data of the instance',
        `rm /${touches[0]}`,
        'cloud-init clean --configs network',
      ),
    });
  },
};

export const firewallManager: Check = {
  id: 'firewall-manager',
  group: 'filters',
  title: 'firewalld, ufw',
  about: 'whether a manager of rules runs: what is added behind its back goes with its next reload',
  run: ({ machine, cluster }) => {
    const { port } = cluster.vxlan;
    const firewalld = machine.exists('run/firewalld.pid') || machine.exists('run/firewalld');
    const ufw = /^\s*ENABLED\s*=\s*yes\s*$/im.test(machine.read('etc/ufw/ufw.conf') ?? '');
    if (!firewalld && !ufw) return ok('neither runs');
    return warn({
      found: `${firewalld ? 'firewalld' : 'ufw'} manages the rules here`,
      needed: `UDP ${port} and protocol 4 admitted by it; what it drops today is told by foreign-filter`,
      fix: fix(
        'admit the tunnels by the manager itself',
        ...(firewalld
          ? [
              `firewall-cmd --permanent --add-port=${port}/udp --add-protocol=4`,
              'firewall-cmd --reload',
            ]
          : [
              `ufw allow ${port}/udp`,
              "echo '-A ufw-before-input -p 4 -j ACCEPT' # into /etc/ufw/before.rules, before COMMIT",
            ]),
      ),
    });
  },
};
