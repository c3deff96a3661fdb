import type { ActivationRecord } from '../capsule/format.ts';
import type { ResumedState } from '../language/origin.ts';
import { resumed } from './shells.ts';

/** What the text of a resumed function is given. */
export type ActivationState = {
  resumed?: ResumedState;
  readonly v: ResumedState['v'];
  readonly awaited: unknown;
} & Record<string, unknown>;

/**
 * @param value gives the live value of one of the capsule
 * @param awaited what the activation waits for; asked for when it is needed
 */
export function activationState(
  record: ActivationRecord,
  value: (encoded: unknown) => unknown,
  awaited: () => unknown,
  gate: Promise<void>,
): ActivationState {
  const values: Record<string, unknown> = {};
  for (const key of Object.keys(record.locals)) {
    Object.defineProperty(values, key, { get: () => value(record.locals[key]), enumerable: true });
  }
  const iterator = (at: number): Iterator<unknown> =>
    value(record.iterators[String(at)]) as Iterator<unknown>;
  const isSync = (at: number): boolean => record.sync?.includes(at) === true;
  const kept = (key: string): unknown => value(record.kept?.[key] ?? []);
  return {
    v: values,
    gate,
    get awaited(): unknown {
      return awaited();
    },
    inside: (at: number, current: unknown) =>
      resumed(iterator(at), { value: current, done: false }, isSync(at)),
    stepping: (at: number) => resumed(iterator(at), awaited()),
    delegate: (at: number) =>
      resumed(
        iterator(at),
        record.kind === 'asyncGenerator' && record.promise !== undefined
          ? awaited()
          : { value: undefined, done: false },
        isSync(at),
      ),
    kept,
    callee: (key: string) => {
      const [object, method] = [kept(key), kept(`${key}!`) as () => unknown];
      const call = (...args: unknown[]): unknown => Reflect.apply(method, object, args as []);
      Object.defineProperty(call, '$flickHeld', { value: method });
      return standIn(object, { get: () => call });
    },
    target: (key: string, operator: string) => {
      const object = kept(key) as object;
      const shortcuts: Record<string, unknown> = { '??=': null, '||=': 0, '&&=': 1 };
      const old = operator in shortcuts ? shortcuts[operator] : kept(`${key}!`);
      return standIn(object, {
        get: () => old,
        set: (_, name, written) => Reflect.set(Object(object) as object, name, written, object),
      });
    },
    keys: (key: string) => {
      const object = kept(key) as object;
      const [current = '', ...left] = record.keys?.[key] ?? [];
      let isFirst = true;
      const isThere = (name: string | symbol): boolean => {
        if (!isFirst || name !== current) return name in (Object(object) as object);
        isFirst = false;
        return true;
      };
      return standIn(object, {
        getPrototypeOf: () => null,
        ownKeys: () => [current, ...left],
        getOwnPropertyDescriptor: (_, name) =>
          isThere(name)
            ? { value: undefined, writable: true, enumerable: true, configurable: true }
            : undefined,
      });
    },
  };
}

/** An object that a resumed function meets instead of the one it holds; it is that one again when the program moves on. */
function standIn(held: unknown, handler: ProxyHandler<object>): object {
  return new Proxy(Object.create(null) as object, Object.assign(handler, { $flickHeld: held }));
}
