import { corePath, resolveBuiltin } from '../capsule/builtins.ts';
import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import type { World } from '../rebuild/world.ts';
import {
  describeHost,
  hiddenValue,
  setHiddenValue,
  type Adapter,
  type HostRecord,
} from './adapter.ts';

/** A listener as Node.js keeps it, in a chain. */
interface LiveListener {
  readonly listener: object;
  readonly next: LiveListener | undefined;
  readonly once: boolean;
  readonly capture: boolean;
  readonly passive: boolean;
  readonly isNodeStyleListener: boolean;
  readonly weak: boolean;
  readonly resistStopPropagation: boolean;
}

const once = 1;
const capture = 2;
const passive = 4;
const nodeStyle = 8;
const resists = 16;
/** Set by assigning to a property: `signal.onabort = …`. */
const byProperty = 32;

type ListenerState = readonly [type: string, listener: object, flags: number];

/** The listeners of a target in the order in which they are called. */
export function targetListeners(
  graph: Graph,
  target: object,
  wanted: (listener: object) => boolean = () => true,
): Value {
  const roots = hiddenValue(target, 'kEvents') as Map<string, LiveListener> | undefined;
  const found: ListenerState[] = [];
  roots?.forEach((root, type) => {
    for (let each = root.next; each !== undefined; each = each.next) {
      const flags =
        (each.once ? once : 0) |
        (each.capture ? capture : 0) |
        (each.passive ? passive : 0) |
        (each.isNodeStyleListener ? nodeStyle : 0) |
        (each.resistStopPropagation ? resists : 0);
      const listener = each.weak ? (each.listener as WeakRef<object>).deref() : each.listener;
      const handler = propertyHandler(target, type, listener);
      if (listener === undefined || !wanted(listener)) continue;
      if (handler !== undefined) found.push([type, handler, flags | byProperty]);
      else found.push([type, listener, flags]);
    }
  });
  return graph.value(found, 'listeners');
}

/** What the program assigned to `on…`, when that is what a listener calls. */
function propertyHandler(target: object, type: string, listener: unknown): object | undefined {
  const handlers = hiddenValue(target, 'kHandlers') as Map<string, unknown> | undefined;
  if (handlers?.get(type) !== listener) return undefined;
  return (listener as { handler?: object } | undefined)?.handler;
}

export function addTargetListeners(world: World, target: EventTarget, state: unknown): void {
  for (const [type, listener, flags] of world.value(state) as ListenerState[]) {
    if ((flags & byProperty) !== 0) {
      Reflect.set(target, `on${type}`, listener);
      continue;
    }
    const options: Record<string | symbol, unknown> = {
      once: (flags & once) !== 0,
      capture: (flags & capture) !== 0,
      passive: (flags & passive) !== 0,
    };
    if ((flags & nodeStyle) !== 0) options[ownSymbol('kIsNodeStyleListener')] = true;
    if ((flags & resists) !== 0) options[ownSymbol('kResistStopPropagation')] = true;
    target.addEventListener(type, listener as () => void, options);
  }
}

function ownSymbol(name: string): symbol {
  return resolveBuiltin(corePath('node:internal/event_target', name)) as symbol;
}

export const eventTargets: Adapter = {
  host: 'eventTarget',
  prototypes: () => [EventTarget.prototype],
  record: (graph, target) =>
    describeHost(
      graph,
      target,
      {
        k: 'host',
        host: 'eventTarget',
        state: {
          listeners: targetListeners(graph, target),
          most: hiddenValue(target, 'events.maxEventTargetListeners') as number,
        },
      },
      new EventTarget(),
    ),
  shell: (world, record) => world.construct(record, EventTarget, []),
  fill(world, target, { state }) {
    setHiddenValue(target, 'events.maxEventTargetListeners', state['most']);
    addTargetListeners(world, target as EventTarget, state['listeners']);
  },
};

/** What an event is made with. Its time stamp counts from the start of a process, and begins anew. */
function eventState(graph: Graph, event: Event): HostRecord['state'] {
  if (hiddenValue(event, 'kIsBeingDispatched') === true) {
    throw graph.refuse('an event that is being dispatched', { passing: true });
  }
  const { type, bubbles, cancelable, composed, defaultPrevented, cancelBubble, target } = event;
  return {
    type,
    init: [bubbles, cancelable, composed],
    prevented: defaultPrevented,
    stopped: cancelBubble,
    ended: hiddenValue(event, 'kStop') === true,
    trusted: event.isTrusted,
    target: graph.value(target, 'target'),
  };
}

function fillEvent(world: World, object: object, { state }: HostRecord): void {
  const event = object as Event;
  if (state['prevented'] === true) event.preventDefault();
  if (state['stopped'] === true) event.stopPropagation();
  if (state['ended'] === true) event.stopImmediatePropagation();
  setHiddenValue(event, 'kTarget', world.value(state['target']));
}

function eventInit({ state }: HostRecord): Record<string | symbol, unknown> {
  const [bubbles, cancelable, composed] = state['init'] as boolean[];
  const init: Record<string | symbol, unknown> = { bubbles, cancelable, composed };
  if (state['trusted'] === true) init[ownSymbol('kTrustEvent')] = true;
  return init;
}

export const events: Adapter = {
  host: 'event',
  prototypes: () => [Event.prototype],
  record: (graph, object) =>
    describeHost(
      graph,
      object,
      { k: 'host', host: 'event', state: eventState(graph, object as Event) },
      new Event('x'),
    ),
  shell: (world, record) =>
    world.construct(record, Event, [record.state['type'], eventInit(record)]),
  fill: fillEvent,
};

export const customEvents: Adapter = {
  host: 'customEvent',
  prototypes: () => [CustomEvent.prototype],
  record: (graph, object) =>
    describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'customEvent',
        state: {
          ...eventState(graph, object as Event),
          detail: graph.value((object as CustomEvent).detail, 'detail'),
        },
      },
      new CustomEvent('x'),
    ),
  shell: (world, record) =>
    world.construct(record, CustomEvent, [
      record.state['type'],
      { ...eventInit(record), detail: world.value(record.state['detail']) },
    ]),
  fill: fillEvent,
};
