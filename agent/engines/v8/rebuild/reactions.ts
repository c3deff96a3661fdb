interface Target {
  readonly resolve: (value: unknown) => void;
  readonly reject: (value: unknown) => void;
  readonly derived: unknown;
}

/** Hangs handlers on a promise whose outcome settles a promise that is there already. */
export function thenInto(
  promise: Promise<unknown>,
  fulfilled: (() => void) | undefined,
  rejected: (() => void) | undefined,
  { resolve, reject, derived }: Target,
): void {
  // `then` makes its result by the constructor's species: for once that is the promise that is there.
  const species = function (executor: (resolve: unknown, reject: unknown) => void): unknown {
    executor(resolve, reject);
    return derived;
  };
  const own = Reflect.getOwnPropertyDescriptor(promise, 'constructor');
  Object.defineProperty(promise, 'constructor', {
    value: { [Symbol.species]: species },
    configurable: true,
  });
  Promise.prototype.then.call(promise, fulfilled, rejected);
  Reflect.deleteProperty(promise, 'constructor');
  if (own !== undefined) Object.defineProperty(promise, 'constructor', own);
}
