/**
 * The guest's first process, as a shell script: it turns a bare kernel on the host's read-only root
 * into a small system, runs one command there, leaves its exit code on the host and powers off.
 *
 * What the guest sees: the host's files, read-only; fresh /proc, /sys, /dev, /run and /tmp; the
 * folders asked for, at the same paths as on the host. The command's output goes to the first
 * serial line, so that the kernel's own messages, on the console, never mix with it.
 */
export interface InitPlan {
  /** A folder of the host that this boot alone uses; the guest writes `exit-code` to it. */
  readonly bootFolder: string;
  /** Shell text to run, by a file of its own. */
  readonly scriptFile: string;
  /** Kernel modules, or aliases of them, loaded before the command; others load on demand. */
  readonly modules: readonly string[];
  readonly modulesFolder: string;
  /** The command's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Host folders below what the guest covers (/tmp, /run), shown at the same place, read-only. */
  readonly visible: readonly string[];
  /** Host folders that the guest may write, at the same place. */
  readonly writable: readonly string[];
  /** The guest powers off by itself after this time, should the host's own timer be gone. */
  readonly lifetimeS: number;
}

/** Written when the guest is set up and the command starts. */
export const startedFile = 'started';
/** Written when the command has ended. */
export const exitCodeFile = 'exit-code';

export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function initScript(plan: InitPlan): string {
  const mountHost = (folder: string, access: 'ro' | 'rw'): string =>
    `mkdir -p ${shellQuote(folder)} && ` +
    `mount -t hostfs -o ${access},${shellQuote(folder)} hostfs ${shellQuote(folder)}`;
  // `modprobe -d` wants its modules below lib/modules of another root; the wrapper serves the kernel's
  // own requests too (device kinds, netfilter matches).
  const moduleRoot = '/run/uml';
  const hostFolders = [
    ...plan.visible.map((folder) => mountHost(folder, 'ro')),
    ...[plan.bootFolder, ...plan.writable].map((folder) => mountHost(folder, 'rw')),
  ];
  const env = Object.entries(plan.env)
    .map(([name, value]) => shellQuote(`${name}=${value}`))
    .join(' ');
  return `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -sfn /proc/self/fd /dev/fd
ln -sfn /proc/self/fd/0 /dev/stdin
ln -sfn /proc/self/fd/1 /dev/stdout
ln -sfn /proc/self/fd/2 /dev/stderr
${hostFolders.join('\n')}
(sleep ${plan.lifetimeS}; echo o >/proc/sysrq-trigger) &
mkdir -p ${moduleRoot}/lib
ln -s ${shellQuote(plan.modulesFolder)} ${moduleRoot}/lib/modules
cat >${moduleRoot}/modprobe <<'END'
#!/bin/sh
exec /sbin/modprobe -d ${moduleRoot} "$@"
END
chmod 755 ${moduleRoot}/modprobe
echo ${moduleRoot}/modprobe >/proc/sys/kernel/modprobe
for module in ${plan.modules.map(shellQuote).join(' ')}; do ${moduleRoot}/modprobe "$module"; done
echo uml >/proc/sys/kernel/hostname
ip link set lo up
stty -F /dev/ttyS0 raw
cut -d' ' -f1 /proc/uptime >${shellQuote(`${plan.bootFolder}/${startedFile}`)}
env -i ${env} setsid /bin/sh ${shellQuote(plan.scriptFile)} </dev/null >/dev/ttyS0 2>&1
code=$?
stty -F /dev/ttyS0 raw
echo $code >${shellQuote(`${plan.bootFolder}/${exitCodeFile}`)}
sync
echo o >/proc/sysrq-trigger
sleep 60
`;
}
