import type { Protocol } from '../cdp.ts';
import type { LiveFrame, Stop } from '../frame.ts';
import { propertiesOf, type Property } from './properties.ts';

const titles: Readonly<Record<string, string>> = {
  local: 'Local',
  block: 'Block',
  closure: 'Closure',
  catch: 'Catch Block',
  with: 'With Block',
  script: 'Script',
  module: 'Module',
  eval: 'Eval',
  'wasm-expression-stack': 'Expression Stack',
  global: 'Global',
};

export function scopeTitle({ type, name }: Protocol.Debugger.Scope): string {
  const title = titles[type] ?? type;
  return type === 'closure' && name !== undefined && name !== '' ? `${title} (${name})` : title;
}

/**
 * Reads the variables of scopes. Those of the top frame came with the stop and are used once: whoever asks again does so
 * because something may have changed.
 */
export class ScopeReader {
  readonly #used = new WeakMap<Stop, Set<string>>();

  async read(frame: LiveFrame, index: number, signal: AbortSignal): Promise<Property[]> {
    const objectId = objectOf(frame, index);
    if (objectId === undefined) return [];
    const { stop } = frame;
    const used = this.#used.get(stop) ?? new Set<string>();
    this.#used.set(stop, used);
    const pushed = used.has(objectId) ? undefined : stop.scopes[objectId];
    used.add(objectId);
    return own(pushed ?? (await fetchScope(stop, objectId, signal)));
  }

  /** True when a scope further in has a variable of the same name. */
  async isShadowed(
    frame: LiveFrame,
    index: number,
    name: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    for (let inner = 0; inner < index; inner += 1) {
      const objectId = objectOf(frame, inner);
      if (objectId === undefined) continue;
      const { stop } = frame;
      const found = stop.scopes[objectId] ?? (await fetchScope(stop, objectId, signal));
      if (own(found).some((each) => each.name === name)) return true;
    }
    return false;
  }
}

function objectOf({ frame }: LiveFrame, index: number): string | undefined {
  return frame.scopeChain[index]?.object.objectId;
}

function fetchScope(
  { thread }: Stop,
  objectId: string,
  signal: AbortSignal,
): Promise<Protocol.Runtime.GetPropertiesResponse> {
  const wanted = { objectId, ownProperties: true, generatePreview: true };
  return thread.send('Runtime.getProperties', wanted, signal);
}

function own(found: Protocol.Runtime.GetPropertiesResponse): Property[] {
  return propertiesOf(found, false).filter(({ origin }) => origin === 'own');
}
