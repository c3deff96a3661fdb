import type { CombinatorRecord } from '../capsule/format.ts';

type Settle = (value: unknown) => void;

/** The functions that one call of `Promise.all` or a relative of it waits with, by place. */
export interface Combinator {
  readonly elements: readonly { readonly resolve: Settle; readonly reject: Settle }[];
}

/**
 * Has `Promise.all` or a relative make its functions for a promise that is there already: the class that it is called on
 * hands out that promise.
 */
export function combinator(
  of: CombinatorRecord['of'],
  count: number,
  [promise, resolve, reject]: readonly [object, Settle, Settle],
): Combinator {
  const elements: { resolve: Settle; reject: Settle }[] = [];
  const made = function (executor: (resolve: Settle, reject: Settle) => void): object {
    executor(resolve, reject);
    return promise;
  };
  const waited = Array.from({ length: count }, () => ({
    then: (fulfilled: Settle, rejected: Settle) => {
      elements.push({ resolve: fulfilled, reject: rejected });
    },
  }));
  Reflect.apply(
    Promise[of] as (values: unknown) => unknown,
    Object.assign(made, { resolve: same }),
    [waited],
  );
  return { elements };
}

/** One of its functions that was called already. */
export function spentElement(): Settle {
  const ignore = (): void => undefined;
  const [element] = combinator('all', 2, [{}, ignore, ignore]).elements;
  element?.resolve(undefined);
  return element?.resolve ?? ignore;
}

/** Gives it what it has got already. */
export function giveResults(
  { of, results }: CombinatorRecord,
  { elements }: Combinator,
  value: (encoded: unknown) => unknown,
): void {
  results.forEach((each, index) => {
    const element = elements[index];
    if (element === undefined || (Array.isArray(each) && each[0] === 'h')) return;
    const result = value(each);
    if (of === 'all') element.resolve(result);
    else if (of === 'any') element.reject(result);
    else {
      const settled = result as PromiseSettledResult<unknown>;
      if (settled.status === 'fulfilled') element.resolve(settled.value);
      else element.reject(settled.reason);
    }
  });
}

function same(value: unknown): unknown {
  return value;
}
