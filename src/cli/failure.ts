/**
 * Errors that a user sees: one line and a way out, and the exit code that belongs to it. Anything
 * else that is thrown is a defect and says so; stack traces only with SELVAGE_DEBUG=1.
 */
import type { ExitCode } from './exit-codes.js';
import { exitCodes } from './exit-codes.js';

export class Failure extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode) {
    super(message);
    this.name = 'Failure';
    this.exitCode = exitCode;
  }
}

/** The command line makes no sense. */
export function usageFailure(message: string): Failure {
  return new Failure(message, exitCodes.usage);
}

/** It cannot work here. */
export function unableFailure(message: string): Failure {
  return new Failure(message, exitCodes.unable);
}

/**
 * Errors of the floors below that are no defects, by the name of their class: loading the classes
 * themselves would load the kernel's code for every command.
 */
export const knownErrors: Readonly<Record<string, ExitCode>> = {
  UnknownNodeError: exitCodes.usage,
  ConfigMissing: exitCodes.unable,
  ConfigRefused: exitCodes.found,
  NoGuardError: exitCodes.unable,
  ToolMissingError: exitCodes.unable,
  SystemCallError: exitCodes.unable,
  KernelError: exitCodes.unable,
  LabError: exitCodes.unable,
  SocketTakenError: exitCodes.unable,
  NamespaceTakenError: exitCodes.unable,
  ChangeRefused: exitCodes.unable,
  DamagedFileError: exitCodes.unable,
  ClusterKeyError: exitCodes.unable,
  StoreAddressError: exitCodes.usage,
  StoreAccessError: exitCodes.unable,
  KeyValueError: exitCodes.unable,
  FleetError: exitCodes.unable,
};

/** The lines for stderr, and the exit code. */
export function reportFailure(
  error: unknown,
  options: { readonly debug: boolean },
): { readonly text: string; readonly exitCode: ExitCode } {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const trace = options.debug ? `\n${stack}` : '';
  if (error instanceof Failure)
    return { text: `selvage: ${error.message}${trace}`, exitCode: error.exitCode };
  const known = error instanceof Error ? knownErrors[error.constructor.name] : undefined;
  if (error instanceof Error && known !== undefined)
    return { text: `selvage: ${error.message}${trace}`, exitCode: known };
  const system = systemFailure(error);
  if (system !== undefined)
    return { text: `selvage: ${system}${trace}`, exitCode: exitCodes.unable };
  const message = error instanceof Error ? error.message : String(error);
  const hint = options.debug ? '' : '; set SELVAGE_DEBUG=1 to see where';
  return {
    text: `selvage: internal error: ${message}${hint}${trace}`,
    exitCode: exitCodes.internal,
  };
}

/** What the operating system refused is not our defect. */
function systemFailure(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const { code } = error;
  if (code === 'EPERM' || code === 'EACCES')
    return `${error.message}: this needs root (CAP_NET_ADMIN and CAP_NET_RAW)`;
  if (typeof code === 'string' && 'syscall' in error) return error.message;
  return undefined;
}
