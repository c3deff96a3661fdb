import type { NodeInternals } from '../capture/internals.ts';
import type { Adapter } from './adapter.ts';
import { abortController, abortSignal } from './abort.ts';
import { asyncResources, boundFunctions } from './asyncResources.ts';
import { asyncFrames, asyncStorages } from './asyncStorages.ts';
import { callSites } from './callSites.ts';
import { consoles } from './consoles.ts';
import { datagrams } from './datagrams.ts';
import { domExceptions } from './domExceptions.ts';
import { customEvents, events, eventTargets } from './eventTargets.ts';
import { fileHandles } from './fileHandles.ts';
import { finalizationRegistries } from './finalization.ts';
import { fixedQueues } from './queues.ts';
import { httpAgents } from './httpAgents.ts';
import { intlFunctions, intlObjects } from './intl.ts';
import { listenerLists } from './listenerLists.ts';
import { templateObjects } from './templateObjects.ts';
import { messagePorts } from './messagePorts.ts';
import { tracingChannels } from './tracingChannels.ts';
import { textDecoders, textEncoders } from './textCoding.ts';
import { readlines } from './readlines.ts';
import { revocations } from './revocations.ts';
import { secureServers } from './secureServers.ts';
import { httpServers, netServers } from './servers.ts';
import { sockets } from './sockets.ts';
import { filePolls, fileWatchers } from './watchers.ts';
import { searchParams, searchParamsIterators, urls } from './urls.ts';

/** All adapters, in no order. */
export const adapters: readonly Adapter[] = [
  abortController,
  abortSignal,
  asyncFrames,
  asyncResources,
  asyncStorages,
  boundFunctions,
  callSites,
  consoles,
  customEvents,
  datagrams,
  domExceptions,
  events,
  eventTargets,
  fileHandles,
  filePolls,
  fileWatchers,
  finalizationRegistries,
  fixedQueues,
  httpAgents,
  httpServers,
  intlFunctions,
  intlObjects,
  listenerLists,
  messagePorts,
  netServers,
  readlines,
  revocations,
  searchParams,
  searchParamsIterators,
  secureServers,
  sockets,
  templateObjects,
  textDecoders,
  textEncoders,
  tracingChannels,
  urls,
];

const byHost = new Map(adapters.map((adapter) => [adapter.host, adapter]));

export function adapterNamed(host: string): Adapter | undefined {
  return byHost.get(host);
}

/** Which adapter carries the objects of a class of Node.js. */
export class AdapterTable {
  readonly #byPrototype = new Map<object | null, Adapter | undefined>();

  constructor(internals: NodeInternals) {
    for (const adapter of adapters) {
      for (const prototype of adapter.prototypes?.(internals) ?? []) {
        if (prototype !== undefined) this.#byPrototype.set(prototype, adapter);
      }
    }
    this.#byPrototype.set(null, undefined);
  }

  /**
   * @param isCore whether a prototype belongs to a class of Node.js: what is derived from a class that is carried may
   * have more to it, unless the program derived it
   */
  of(prototype: object | null, isCore: (prototype: object) => boolean): Adapter | undefined {
    if (this.#byPrototype.has(prototype)) return this.#byPrototype.get(prototype);
    const found =
      prototype === null || isCore(prototype)
        ? undefined
        : this.of(Object.getPrototypeOf(prototype) as object | null, isCore);
    this.#byPrototype.set(prototype, found);
    return found;
  }

  /** Whether an object is of a class that is carried and of nothing else. */
  has(object: object): boolean {
    return this.#byPrototype.get(Object.getPrototypeOf(object) as object | null) !== undefined;
  }
}
