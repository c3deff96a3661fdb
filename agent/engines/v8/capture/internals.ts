import { inspect } from 'node:util';
import type { Inspection } from './inspection.ts';

/** What Node.js keeps for itself and the engine needs. */
export interface NodeInternals {
  require(id: string): Record<string, unknown>;
  binding(name: string): Record<string, (...args: never[]) => unknown>;
}

/** Functions of Node.js see what it hides; the inspector shows what they see. */
export function nodeInternals(inspection: Inspection): NodeInternals {
  const seen = (f: unknown, name: string): unknown => {
    for (const { object } of inspection.internals(f as object).scopes) {
      const found = Reflect.getOwnPropertyDescriptor(object, name)?.value as unknown;
      if (typeof found === 'function') return found;
    }
    throw new Error(`This Node.js has no ${name}.`);
  };
  return {
    require: seen(inspect, 'require') as NodeInternals['require'],
    binding: seen(
      (process as unknown as { binding: unknown }).binding,
      'internalBinding',
    ) as NodeInternals['binding'],
  };
}
