import { types } from 'node:util';
import type { ObjectRecord } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import type { Adapter } from './adapter.ts';

/** What revokes a proxy; undefined for other functions. */
export function revocationRecord(graph: Graph, f: object, name: string): ObjectRecord | undefined {
  if (!name.startsWith('ProxyRevoke')) return undefined;
  const { snapshot } = graph.heap;
  const context = snapshot.follow(graph.heap.nodeOf(f), 'context');
  const held = snapshot.edges(context).map(({ to }) => to);
  const proxy = held.map((node) => graph.heap.liveOf(node)).find((each) => types.isProxy(each));
  if (proxy === undefined && held.some((node) => graph.heap.isProxy(node)))
    throw graph.refuse('what revokes a proxy that is not seen');
  // One that was called has let go of its proxy.
  const state = proxy === undefined ? {} : { proxy: graph.value(proxy, 'proxy') };
  return graph.finish({ k: 'host', host: 'revocation', state }, f);
}

/** Functions that `Proxy.revocable` made. */
export const revocations: Adapter = {
  host: 'revocation',
  shell(world, { state }) {
    const proxy = world.value(state['proxy'] ?? []) as object | undefined;
    const revoke = proxy === undefined ? undefined : world.proxies.revocationOf(proxy);
    if (revoke !== undefined) return revoke;
    const spent = Proxy.revocable({}, {});
    spent.revoke();
    return spent.revoke;
  },
};
