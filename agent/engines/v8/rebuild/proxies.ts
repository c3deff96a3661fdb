import type { KindRecord } from '../capsule/format.ts';
import type { Objects } from './code.ts';

/** Proxies, each with what revokes it. */
export class Proxies {
  readonly #objects: Objects;
  readonly #revocations = new Map<object, () => void>();

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  make({ target, handler, revoked }: Extract<KindRecord, { k: 'proxy' }>): object {
    const isRevoked = revoked !== undefined;
    const stand = revoked === 'function' ? () => undefined : {};
    const { proxy, revoke } = Proxy.revocable(
      isRevoked ? stand : (this.#objects.value(target) as object),
      isRevoked ? {} : (this.#objects.value(handler) as object),
    );
    if (isRevoked) revoke();
    this.#revocations.set(proxy, revoke);
    return proxy;
  }

  revocationOf(proxy: object): (() => void) | undefined {
    return this.#revocations.get(proxy);
  }
}
