import type { Handler, RpcPeer } from '../../common/rpc.ts';
import {
  agentRequests,
  capsuleProgress,
  capsulesChanged,
  handoffProgress,
  processChanged,
  processRemoved,
  type AgentRequests,
  type AnyRequest,
} from '../../protocol/index.ts';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import type { Services } from './services.ts';
import { capsuleHandlers } from './capsuleHandlers.ts';
import { debugHandlers } from './debugHandlers.ts';
import { deviceHandlers } from './deviceHandlers.ts';
import { handoffHandlers } from './handoffHandlers.ts';
import { processHandlers } from './processHandlers.ts';

/** One handler a request; the compiler checks that none is missing. */
export type HandlerTable = { readonly [K in keyof AgentRequests]: Handler<AgentRequests[K]> };

/** Serves one client: answers its requests and pushes what it watches. Everything ends with its connection. */
export function serveClient(peer: RpcPeer, services: Services): void {
  const store = new DisposableStore();
  peer.onDidClose(() => store.dispose());
  const watch = new ClientWatch(peer, services);
  store.add(watch);
  const table: HandlerTable = {
    ...deviceHandlers(services),
    ...processHandlers(services, watch),
    ...handoffHandlers(services),
    ...capsuleHandlers(services),
    ...debugHandlers(services),
  };
  for (const key of Object.keys(agentRequests) as (keyof AgentRequests)[]) {
    // Contract and handler come from the same key, which the compiler cannot follow through a loop.
    peer.handle(agentRequests[key] as AnyRequest, table[key] as unknown as Handler<AnyRequest>);
  }
  store.add(services.handoffs.onDidProgress((progress) => peer.notify(handoffProgress, progress)));
  const { capsules } = services;
  store.add(capsules.onDidProgress((progress) => peer.notify(capsuleProgress, progress)));
  store.add(capsules.onDidChange(() => peer.notify(capsulesChanged, {})));
}

/** What one client wants to be told. Without `metrics` nothing is sampled on its behalf. */
export class ClientWatch implements Disposable {
  readonly #peer: RpcPeer;
  readonly #services: Services;
  #current: DisposableStore | undefined;

  constructor(peer: RpcPeer, services: Services) {
    this.#peer = peer;
    this.#services = services;
  }

  start(metrics: boolean): void {
    this.dispose();
    const store = new DisposableStore();
    const { processes } = this.#services;
    store.add(
      processes.onDidChange((changed) =>
        this.#peer.notify(processChanged, { process: changed.info() }),
      ),
    );
    store.add(processes.onDidRemove((id) => this.#peer.notify(processRemoved, { id })));
    if (metrics) store.add(processes.sample());
    this.#current = store;
  }

  dispose(): void {
    this.#current?.dispose();
    this.#current = undefined;
  }
}
