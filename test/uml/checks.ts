/**
 * What is run under user-mode-linux, all in one boot: compiled tap files, one process each, in this
 * order. To add one, add a line; its assertions appear in the host's report under its name.
 */
export interface UmlCheck {
  readonly name: string;
  /** Compiled file, from the root of the compiled tree. */
  readonly file: string;
  /** Killed after this time in the guest. */
  readonly timeoutS: number;
  readonly env?: Readonly<Record<string, string>>;
}

export const umlChecks: readonly UmlCheck[] = [
  { name: 'kernel tunnels', file: 'test/uml/guest/tunnels.js', timeoutS: 60 },
  { name: 'change of mode', file: 'test/uml/guest/mode-change.js', timeoutS: 60 },
  { name: 'hitless changes', file: 'test/uml/guest/hitless.js', timeoutS: 120 },
  // The suite that the machine's own kernel passes too, here with all kinds of device.
  { name: 'contract of the kernel', file: 'test/contract/kernel.test.js', timeoutS: 120 },
  { name: 'lab', file: 'test/uml/guest/lab.js', timeoutS: 180 },
];
