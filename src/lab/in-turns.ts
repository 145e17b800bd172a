/** Runs `work` for each item, at most `limit` at a time; the results are in the items' order. */
export async function inTurns<T, R>(
  items: readonly T[],
  options: { readonly limit: number; readonly work: (item: T) => Promise<R> },
): Promise<readonly R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await options.work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.limit, items.length) }, worker));
  return results;
}
