import type { KindRecord } from '../capsule/format.ts';
import { RebuildError } from './code.ts';
import type { World } from './world.ts';

/**
 * Compares ordinary objects with the capsule: their prototypes, and their keys with their order.
 * @throws {RebuildError} when one is not what it was
 */
export function verify(world: World): void {
  const { objects, shapes } = world.capsule;
  objects.forEach((record, id) => {
    if (record === null) return;
    if (Array.isArray(record)) {
      if (record[0] !== 0) return;
      const shape = shapes[record[1] as number];
      if (shape !== undefined) compare(world, id, shape.proto, shape.keys);
      return;
    }
    const kind = record as KindRecord;
    if (kind.k === 'dict') {
      const names = kind.entries.filter((_, at) => at % 2 === 0);
      compare(world, id, kind.proto, names);
    }
    if (kind.k !== 'obj' || kind.proto === undefined) return;
    compare(
      world,
      id,
      kind.proto,
      (kind.props ?? []).map(([key]) => world.value(key)),
    );
  });
}

function compare(world: World, id: number, proto: unknown, keys: readonly unknown[]): void {
  const object = world.get(id) as object;
  const there = Reflect.ownKeys(object);
  const same = there.length === keys.length && there.every((key, index) => key === keys[index]);
  if (!same || Object.getPrototypeOf(object) !== world.value(proto)) {
    throw new RebuildError(
      `the object ${id} (${keys.map(String).join(', ').slice(0, 60)}) is not what it was`,
    );
  }
}
