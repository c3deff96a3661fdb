import type { FunctionRecord, ObjectRecord } from '../capsule/format.ts';

export interface Sibling {
  readonly id: number;
  readonly record: FunctionRecord;
}

/** The functions of a capsule that are made in one place: they have the same context and script. */
export class Siblings {
  readonly #groups = new Map<string, Sibling[]>();

  constructor(objects: readonly (ObjectRecord | null)[]) {
    objects.forEach((each, id) => {
      if (each === null || Array.isArray(each) || (each as { k: string }).k !== 'fn') return;
      const record = each as FunctionRecord;
      const key = placeOf(record);
      const group = this.#groups.get(key);
      if (group === undefined) this.#groups.set(key, [{ id, record }]);
      else group.push({ id, record });
    });
  }

  /** A function with its siblings; the first time, and alone after that. */
  take(sibling: Sibling): readonly Sibling[] {
    const key = placeOf(sibling.record);
    const group = this.#groups.get(key);
    this.#groups.delete(key);
    return group ?? [sibling];
  }
}

function placeOf({ context, script }: FunctionRecord): string {
  return `${context} ${script}`;
}

/** Parts functions into lists in the order of the source, in none of which one stands in another. */
export function sideBySide(siblings: readonly Sibling[]): Sibling[][] {
  const lists: Sibling[][] = [];
  /** Where those end that the next one may stand in, from the outermost on. */
  const ends: number[] = [];
  const sorted = [...siblings].sort(
    ({ record: a }, { record: b }) => a.start - b.start || b.end - a.end,
  );
  for (const each of sorted) {
    const { start, end } = each.record;
    while (ends.length > 0 && (ends.at(-1) ?? 0) <= start) ends.pop();
    (lists[ends.length] ??= []).push(each);
    ends.push(end);
  }
  return lists;
}
