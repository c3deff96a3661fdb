import type { Protocol } from '../cdp.ts';
import type { LiveFrame, Stop } from '../frame.ts';
import { propertiesOf, type Property } from './properties.ts';

type RemoteObject = Protocol.Runtime.RemoteObject;

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

/** Scopes with more variables than this are shown as they were when the thread stopped. */
const maxRefreshed = 500;
const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

/**
 * Reads the variables of scopes. What V8 gives of a scope are the values at the moment of the stop, and those of the top
 * frame came with it; whoever asks again does so because something may have changed, and gets the values of now.
 */
export class ScopeReader {
  readonly #seen = new WeakMap<Stop, Set<string>>();
  readonly #placed = new WeakMap<Stop, Map<string, RemoteObject>>();
  readonly #changed = new WeakSet<Stop>();

  async read(frame: LiveFrame, index: number, signal: AbortSignal): Promise<Property[]> {
    const objectId = objectOf(frame, index);
    if (objectId === undefined) return [];
    const { stop } = frame;
    const seen = this.#seen.get(stop) ?? new Set<string>();
    this.#seen.set(stop, seen);
    const properties = await this.#atStop(frame, objectId, signal);
    const isFirst = !seen.has(objectId) && !this.#changed.has(stop);
    seen.add(objectId);
    if (isFirst) return properties;
    const isGlobal = frame.frame.scopeChain[index]?.type === 'global';
    if (isGlobal || properties.length > maxRefreshed) return properties;
    return this.#now(frame, index, properties, signal);
  }

  /** Remembers a value that was given to a variable by its place. */
  didSet({ stop, frame }: LiveFrame, index: number, name: string, value: RemoteObject): void {
    const placed = this.#placed.get(stop) ?? new Map<string, RemoteObject>();
    this.#placed.set(stop, placed);
    placed.set(placeOf(frame, index, name), value);
    this.didChange(stop);
  }

  /** Something was evaluated that may have changed variables. */
  didChange(stop: Stop): void {
    this.#changed.add(stop);
  }

  /** True when a scope further in has a variable of the same name. */
  async isShadowed(
    frame: LiveFrame,
    index: number,
    name: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    return (await this.#namesWithin(frame, index, signal)).has(name);
  }

  async #now(
    frame: LiveFrame,
    index: number,
    properties: readonly Property[],
    signal: AbortSignal,
  ): Promise<Property[]> {
    const { stop } = frame;
    const hidden = await this.#namesWithin(frame, index, signal);
    const visible = properties
      .map(({ name }) => name)
      .filter((name) => identifier.test(name) && !hidden.has(name));
    const values = await evaluateNames(frame, visible, signal);
    const places = this.#placed.get(stop);
    return properties.map((each) => {
      const placed = places?.get(placeOf(frame.frame, index, each.name));
      const value = values.get(each.name) ?? (hidden.has(each.name) ? placed : undefined);
      return value === undefined ? each : { ...each, value };
    });
  }

  async #namesWithin(
    frame: LiveFrame,
    index: number,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const names = new Set<string>();
    for (let inner = 0; inner < index; inner += 1) {
      const objectId = objectOf(frame, inner);
      if (objectId === undefined) continue;
      for (const { name } of await this.#atStop(frame, objectId, signal)) names.add(name);
    }
    return names;
  }

  async #atStop({ stop }: LiveFrame, objectId: string, signal: AbortSignal): Promise<Property[]> {
    const wanted = { objectId, ownProperties: true, generatePreview: true };
    const found =
      stop.scopes[objectId] ?? (await stop.thread.send('Runtime.getProperties', wanted, signal));
    return propertiesOf(found, false).filter(({ origin }) => origin === 'own');
  }
}

/** The values that names have on a frame now. Names without a value yet are left out. */
async function evaluateNames(
  { stop, frame }: LiveFrame,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RemoteObject>> {
  if (names.length === 0) return new Map();
  const reads = names.map((name) => `try { values.${name} = ${name}; } catch {}`);
  const { result } = await stop.thread.send(
    'Debugger.evaluateOnCallFrame',
    {
      callFrameId: frame.callFrameId,
      expression: `(() => { const values = Object.create(null); ${reads.join(' ')} return values; })()`,
      silent: true,
    },
    signal,
  );
  if (result.objectId === undefined) return new Map();
  const found = await stop.thread.send(
    'Runtime.getProperties',
    { objectId: result.objectId, ownProperties: true, generatePreview: true },
    signal,
  );
  return new Map(
    propertiesOf(found, false).flatMap(({ name, value, origin }) =>
      origin === 'own' && value !== undefined ? [[name, value] as const] : [],
    ),
  );
}

function placeOf(frame: Protocol.Debugger.CallFrame, index: number, name: string): string {
  return `${frame.callFrameId} ${index} ${name}`;
}

function objectOf({ frame }: LiveFrame, index: number): string | undefined {
  return frame.scopeChain[index]?.object.objectId;
}
