/** Who was first: of conflicting claims the lower create-revision wins, everywhere. */
export interface Claim {
  readonly id: string;
  readonly createRevision: number;
}

/** One revision may make several keys, in one transaction: then the name decides. */
export function isOlder(a: Claim, b: Claim): boolean {
  return a.createRevision !== b.createRevision ? a.createRevision < b.createRevision : a.id < b.id;
}
