/** What the process tells a script. Every command's `--help` prints this table; it never changes. */
export const exitCodes = {
  /** Done, and nothing is wrong. */
  ok: 0,
  /** The command worked and found something: drift, an invalid file, a destination without a way. */
  found: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** It cannot work here: no agent where one is needed, no privilege, no such file. */
  unable: 3,
  /** A defect of this program. */
  internal: 4,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeHelp = `
Exit codes:
  0  done, and nothing is wrong
  1  it worked and found something: drift, an invalid file, no way to the destination
  2  the command line makes no sense
  3  it cannot work here: no agent where one is needed, no privilege, no such file
  4  a defect of selvage (SELVAGE_DEBUG=1 shows where)
`;
