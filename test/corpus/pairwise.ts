/** Runs `work` for each item, two at a time, the results in the items' order. */
export async function pairwise<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Map<number, R>();
  const queue = [...items.entries()];
  const serve = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      results.set(next[0], await work(next[1]));
    }
  };
  await Promise.all([serve(), serve()]);
  return items.flatMap((_, index) => (results.has(index) ? [results.get(index) as R] : []));
}
