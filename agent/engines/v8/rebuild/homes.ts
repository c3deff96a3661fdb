import type { Value } from '../capsule/format.ts';
import { homeMark } from '../language/receivers.ts';
import type { Objects } from './code.ts';

/** Literals that methods with `super` were made in. */
export class Homes {
  readonly #objects: Objects;
  readonly #literals: [object, Value][] = [];

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  /** Makes `super` in the methods of a literal begin where it does for those of another object, whatever becomes of that. */
  standIn(literal: object, home: Value): void {
    const parent = (): object =>
      (Object.getPrototypeOf(this.#objects.value(home) as object) ?? Object.create(null)) as object;
    this.#literals.push([literal, home]);
    Object.setPrototypeOf(
      literal,
      new Proxy(Object.create(null) as object, {
        get: (_, key, receiver) => Reflect.get(parent(), key, receiver) as unknown,
        set: (_, key, value, receiver) => Reflect.set(parent(), key, value, receiver),
        has: (_, key) => Reflect.has(parent(), key),
      }),
    );
  }

  /** Says whom the literals stand for, so that they can be carried again. To be called when all objects are there. */
  settle(): void {
    for (const [literal, home] of this.#literals)
      Object.defineProperty(literal, homeMark, { value: this.#objects.value(home) });
  }
}
