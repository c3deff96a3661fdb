import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';

/** A value as the inspector names it. */
interface Remote {
  readonly type: string;
  readonly subtype?: string;
  readonly objectId?: string;
  readonly value?: unknown;
  readonly unserializableValue?: string;
}

interface NamedValue {
  readonly name: string;
  readonly value?: Remote;
  readonly get?: Remote;
}

interface ParsedScript {
  readonly scriptId: string;
  readonly url: string;
  readonly isModule?: boolean;
  readonly embedderName?: string;
}

/** What an object has that reflection does not show. */
export interface Internals {
  readonly fields: ReadonlyMap<string, unknown>;
  readonly scopes: readonly LiveScope[];
  readonly privates: readonly (readonly [name: string, value: unknown])[];
  /** Whether it has private methods or accessors. */
  readonly hasPrivateMethods: boolean;
  readonly location:
    { readonly scriptId: string; readonly line: number; readonly column: number } | undefined;
}

/** One scope of a closure: a copy of its variables. */
export interface LiveScope {
  readonly description: string;
  readonly object: object;
}

const nothing: Internals = {
  ...{ fields: new Map(), scopes: [], privates: [] },
  ...{ hasPrivateMethods: false, location: undefined },
};

/** What the inspector answers about an object. */
interface Shown {
  readonly internalProperties?: readonly NamedValue[];
  readonly privateProperties?: readonly NamedValue[];
}

const group = 'flick';
const pinGroup = 'flickPin';
/** Objects that are asked for until those before are let go of. */
const keptObjects = 200;
const toPin = 'function(pin){pin.value=this}';
const allToPin = 'function(...all){this.value=all}';
const fromPin = 'function(){return this.value}';

/** The inspector of this very thread, and the way between its names and the values themselves. Everything is synchronous. */
export class Inspection {
  readonly #session = new Session();
  readonly #pin: { value: unknown } = { value: undefined };
  readonly #pinId: string;
  readonly #names = new Map<number, string>();
  readonly #known = new Map<object, Internals>();
  #asked = 0;

  constructor() {
    this.#session.connect();
    const key = `flick${process.hrtime.bigint()}`;
    Object.defineProperty(globalThis, key, { value: this.#pin, configurable: true });
    const { result } = this.post('Runtime.evaluate', {
      expression: `globalThis.${key}`,
      objectGroup: pinGroup,
      silent: true,
    }) as { result: Remote };
    Reflect.deleteProperty(globalThis, key);
    this.#pinId = result.objectId ?? '';
  }

  /** Lets {@link urlOf} know of all scripts so far. */
  listScripts(): void {
    this.#parsedScripts(({ scriptId, isModule, embedderName = '' }) => {
      // Node.js makes addresses of the paths that scripts are named by; those of modules are addresses.
      const isPath = isModule !== true && embedderName.startsWith('file:///');
      this.#names.set(Number(scriptId), isPath ? fileURLToPath(embedderName) : embedderName);
    });
  }

  /** The name of a script; empty for one without. */
  nameOf(script: number): string {
    // It may have been made since the others were listed.
    if (!this.#names.has(script)) this.listScripts();
    const name = this.#names.get(script) ?? '';
    this.#names.set(script, name);
    return name;
  }

  /** The debugger is on no longer than that takes: as long as it is, V8 compiles each question anew. */
  #parsedScripts(note: (script: ParsedScript) => void): void {
    const hear = ({ params }: { params: object }): void => note(params as ParsedScript);
    this.#session.on('Debugger.scriptParsed', hear);
    this.post('Debugger.enable');
    this.post('Debugger.disable');
    this.#session.off('Debugger.scriptParsed', hear);
  }

  dispose(): void {
    this.forget();
    this.#pin.value = undefined;
    this.post('Runtime.releaseObjectGroup', { objectGroup: pinGroup });
    this.#session.disconnect();
  }

  post(method: string, params: object = {}): unknown {
    let result: unknown;
    let failure: Error | null = null;
    this.#session.post(method, params, (error, value) => {
      failure = error;
      result = value;
    });
    if (failure !== null) throw new Error(`${method}: ${JSON.stringify(failure)}`);
    return result;
  }

  /** @param value an object or a function */
  remote(value: unknown): string {
    this.#pin.value = value;
    const { result } = this.post('Runtime.callFunctionOn', {
      objectId: this.#pinId,
      functionDeclaration: fromPin,
      objectGroup: group,
      silent: true,
    }) as { result: Remote };
    return result.objectId ?? '';
  }

  live(objectId: string): unknown {
    this.post('Runtime.callFunctionOn', {
      objectId,
      functionDeclaration: toPin,
      arguments: [{ objectId: this.#pinId }],
      silent: true,
    });
    const { value } = this.#pin;
    this.#pin.value = undefined;
    return value;
  }

  internals(value: object): Internals {
    return this.#known.get(value) ?? this.#internalsOf([this.remote(value)])[0] ?? nothing;
  }

  /** Asks for all of these with few messages: {@link internals} knows them until it is asked so again, or to forget. */
  askTogether(values: readonly object[]): void {
    this.#known.clear();
    const { result = [] } = this.post('Runtime.getProperties', {
      objectId: this.remote(values),
      ownProperties: true,
    }) as { result?: readonly NamedValue[] };
    const ids = values.map((_, index) => {
      const { name, value } = result[index] ?? {};
      if (name !== String(index) || value?.objectId === undefined)
        throw new Error('the inspector shows an array as something else');
      return value.objectId;
    });
    const found = this.#internalsOf(ids);
    values.forEach((value, index) => this.#known.set(value, found[index] ?? nothing));
  }

  /** To be called before the program runs on. */
  forget(): void {
    this.#known.clear();
    this.#letGo();
  }

  isKnown(value: object): boolean {
    return this.#known.has(value);
  }

  #internalsOf(ids: readonly string[]): Internals[] {
    const all = ids.map(
      (objectId) => this.post('Runtime.getProperties', { objectId, ownProperties: true }) as Shown,
    );
    const values = this.#liveOnes(all.flatMap(remotesOf));
    const found = all.map((shown) => internalsOf(shown, (remote) => this.#liveOf(remote, values)));
    this.#asked += ids.length;
    if (this.#asked >= keptObjects) this.#letGo();
    return found;
  }

  /** The inspector keeps copies of the variables of each scope that it has named. */
  #letGo(): void {
    this.#asked = 0;
    this.post('Runtime.releaseObjectGroup', { objectGroup: group });
  }

  /** The URL of every script by its id. */
  scriptUrls(): Map<string, string> {
    const urls = new Map<string, string>();
    this.#parsedScripts(({ scriptId, url }) => urls.set(scriptId, url));
    return urls;
  }

  /** Every object in the heap that has the prototype in its chain. */
  heirs(prototype: object): unknown[] {
    const { objects } = this.post('Runtime.queryObjects', {
      prototypeObjectId: this.remote(prototype),
      objectGroup: group,
    }) as { objects: Remote };
    return this.live(objects.objectId ?? '') as unknown[];
  }

  /** The id that a heap snapshot has for an object. */
  heapId(value: object): number {
    const { heapSnapshotObjectId } = this.post('HeapProfiler.getHeapObjectId', {
      objectId: this.remote(value),
    }) as { heapSnapshotObjectId: string };
    return Number(heapSnapshotObjectId);
  }

  /** The object with an id of a heap snapshot. Goes through the whole heap. */
  byHeapId(id: number): unknown {
    const { result } = this.post('HeapProfiler.getObjectByHeapObjectId', {
      objectId: String(id),
      objectGroup: group,
    }) as { result: Remote };
    return this.#liveOf(result);
  }

  /** The objects with these names. */
  #liveOnes(ids: readonly string[]): ReadonlyMap<string, unknown> {
    const [first] = ids;
    if (first === undefined) return new Map();
    this.post('Runtime.callFunctionOn', {
      objectId: this.#pinId,
      functionDeclaration: allToPin,
      arguments: ids.map((objectId) => ({ objectId })),
      silent: true,
    });
    const values = this.#pin.value as readonly unknown[];
    this.#pin.value = undefined;
    return new Map(ids.map((id, index) => [id, values[index]]));
  }

  /** @param known objects by their names */
  #liveOf(remote: Remote | undefined, known?: ReadonlyMap<string, unknown>): unknown {
    if (remote === undefined) return undefined;
    if (remote.objectId !== undefined) {
      return known === undefined
        ? this.#liveObject(remote.objectId, remote.type)
        : known.get(remote.objectId);
    }
    if (remote.unserializableValue !== undefined) {
      const text = remote.unserializableValue;
      return remote.type === 'bigint' ? BigInt(text.slice(0, -1)) : Number(text);
    }
    return remote.subtype === 'null' ? null : remote.value;
  }

  #liveObject(objectId: string, type: string): unknown {
    const value = this.live(objectId);
    // A symbol arrives boxed, as `this` of a function does.
    return type === 'symbol' ? Object(value).valueOf() : value;
  }
}

/** What is looked at of an answer. */
function valuesOf({ internalProperties = [], privateProperties = [] }: Shown): {
  readonly inner: readonly NamedValue[];
  readonly privates: readonly NamedValue[];
} {
  return {
    inner: internalProperties.filter(
      ({ name }) => name !== '[[Prototype]]' && name !== '[[PrivateMethods]]',
    ),
    privates: privateProperties.filter(
      ({ value, get }) => value !== undefined && get === undefined,
    ),
  };
}

/** The names of the objects in an answer. */
function remotesOf(shown: Shown): string[] {
  const { inner, privates } = valuesOf(shown);
  return [...inner, ...privates].flatMap(({ value }) => value?.objectId ?? []);
}

function internalsOf(shown: Shown, live: (remote: Remote | undefined) => unknown): Internals {
  const { inner, privates } = valuesOf(shown);
  const fields = new Map<string, unknown>();
  let scopes: LiveScope[] = [];
  let location: Internals['location'];
  for (const { name, value } of inner) {
    if (name === '[[Scopes]]') {
      if (value?.objectId !== undefined) scopes = Array.from(live(value) as ArrayLike<LiveScope>);
    } else if (name === '[[FunctionLocation]]' || name === '[[GeneratorLocation]]') {
      const place = value?.value as
        { scriptId: string; lineNumber: number; columnNumber: number } | undefined;
      if (place !== undefined) {
        const { scriptId, lineNumber: line, columnNumber: column } = place;
        location = { scriptId, line, column };
      }
    } else fields.set(name, live(value));
  }
  return {
    ...{ fields, scopes, location },
    privates: privates.map(({ name, value }) => [name, live(value)] as const),
    hasPrivateMethods:
      shown.internalProperties?.some(({ name }) => name === '[[PrivateMethods]]') === true,
  };
}
