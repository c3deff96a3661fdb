import { types } from 'node:util';
import { keptByV8, type PropertyRecord } from '../capsule/format.ts';
import type { Graph } from './graph.ts';

/** Own properties, without those that `skip` names. */
export function propertyRecords(
  graph: Graph,
  object: object,
  skip?: (key: string | symbol) => boolean,
): PropertyRecord[] {
  const records: PropertyRecord[] = [];
  for (const key of Reflect.ownKeys(object)) {
    if (skip?.(key) === true) continue;
    const descriptor = Reflect.getOwnPropertyDescriptor(object, key);
    if (descriptor === undefined) continue;
    const isKept = key === 'stack' && isStackOfV8(graph, object, descriptor);
    const flags =
      (descriptor.writable === true ? 1 : 0) |
      (descriptor.enumerable === true ? 2 : 0) |
      (descriptor.configurable === true ? 4 : 0);
    const label = String(key);
    const encodedKey = graph.value(key, label);
    if (isKept) {
      // One with a getter has no such attribute; on a version where it needs one a frozen object is to be frozen again.
      const writable = Object.isFrozen(object) ? 0 : 1;
      const text = graph.value(Reflect.get(object, key), label);
      records.push([encodedKey, keptByV8 | writable | flags, text]);
    } else if ('value' in descriptor) {
      records.push([encodedKey, flags, graph.value(descriptor.value, label)]);
    } else {
      records.push([
        encodedKey,
        flags,
        graph.value(descriptor.get, `get ${label}`),
        graph.value(descriptor.set, `set ${label}`),
      ]);
    }
  }
  return records;
}

/** Whether a property is the stack that V8 keeps of an error, and of whatever `Error.captureStackTrace` was given. */
function isStackOfV8(graph: Graph, object: object, stack: PropertyDescriptor): boolean {
  if (stack.get !== undefined)
    return graph.natives.script(stack.get) === undefined && stack.get === getterOfV8();
  // Node.js 20 shows a value, as that of any property; one that cannot be set is such everywhere.
  return stack.writable === true && types.isNativeError(object) && getterOfV8() === undefined;
}

let getter: { readonly found: unknown } | undefined;

/** Found once: it takes an error that is thrown. */
function getterOfV8(): unknown {
  getter ??= { found: stackGetter() };
  return getter.found;
}

/** What V8 reads the stack of an error with; undefined where it shows a value. It has no name that leads to it. */
function stackGetter(): unknown {
  const none: unknown = null;
  try {
    // The program may have put a class of its own in the place of `Error`: V8 throws what it always does.
    return void (none as object).constructor;
  } catch (error) {
    // One that has been set is not asked of the program's own `Error.prepareStackTrace`.
    Reflect.set(error as object, 'stack', '');
    return Reflect.getOwnPropertyDescriptor(error as object, 'stack')?.get;
  }
}
