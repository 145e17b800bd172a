/**
 * What may go into a bundle, said field by field. A field that nobody has allowed stays out, so that
 * a secret which some later version keeps beside the others is left out by default.
 */

/** `whole`: plain values (text, numbers, addresses, lists of them). */
export type Shape =
  | 'whole'
  | 'leave out'
  | { readonly each: Shape }
  | { readonly values: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> };

/** One entry for every field of the type, so that a new field does not compile until it is judged. */
export type FieldsOf<T> = { readonly [K in keyof Required<T>]: Shape };

export function fields<T>(of: FieldsOf<T>): Shape {
  return { fields: of };
}

/** A copy with the allowed fields only. */
export function keep(value: unknown, shape: Shape): unknown {
  if (shape === 'leave out' || value === undefined || value === null) return undefined;
  if (shape === 'whole') return value;
  if ('each' in shape) return [...(value as Iterable<unknown>)].map((one) => keep(one, shape.each));
  if ('values' in shape) {
    const entries = [...(value as ReadonlyMap<string, unknown>)];
    return new Map(entries.map(([key, one]) => [key, keep(one, shape.values)]));
  }
  const kept: Record<string, unknown> = {};
  for (const [name, of] of Object.entries(shape.fields)) {
    const field = keep((value as Readonly<Record<string, unknown>>)[name], of);
    if (field !== undefined) kept[name] = field;
  }
  return kept;
}
