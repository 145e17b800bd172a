/** What a `migrate` is asked to do, from its options: one thing of several. */
import { usageFailure } from '../failure.js';

export interface MigrateFlags {
  readonly set: readonly string[];
  readonly toVersion?: number | undefined;
  readonly resume: boolean;
  readonly rollback: boolean;
}

export type MigrateRequest =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'patch'; readonly patches: readonly string[] }
  | { readonly kind: 'version'; readonly number: number }
  | { readonly kind: 'resume' }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'show' };

export function requestOf(file: string | undefined, flags: MigrateFlags): MigrateRequest {
  const { set, toVersion, resume, rollback } = flags;
  const asked: readonly MigrateRequest[] = [
    ...(file === undefined ? [] : [{ kind: 'file', file } as const]),
    ...(set.length === 0 ? [] : [{ kind: 'patch', patches: set } as const]),
    ...(toVersion === undefined ? [] : [{ kind: 'version', number: toVersion } as const]),
    ...(resume ? [{ kind: 'resume' } as const] : []),
    ...(rollback ? [{ kind: 'rollback' } as const] : []),
  ];
  if (asked.length > 1)
    throw usageFailure(
      'a file, --set, --to-version, --resume and --rollback exclude each other; give one of them',
    );
  return asked[0] ?? { kind: 'show' };
}
