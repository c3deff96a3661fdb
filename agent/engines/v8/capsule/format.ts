/** What a capsule file holds. It is lines of JSON: the header, sections, and a trailer with the hash of what stands before it. */

export const capsuleFormat = 'flick-v8';
/** Raised whenever an older engine could misread what a newer one wrote. */
export const capsuleVersion = 2;

export interface CapsuleHeader {
  readonly format: typeof capsuleFormat;
  readonly version: number;
  /** `process.version` of the program. */
  readonly node: string;
  readonly arch: string;
  readonly platform: string;
  readonly argv: readonly string[];
  readonly execArgv: readonly string[];
  readonly cwd: string;
  readonly counts: {
    readonly objects: number;
    readonly contexts: number;
    readonly functions: number;
    readonly scripts: number;
  };
  /** What the program does without from now on, as sentences for people. */
  readonly dropped: readonly string[];
  /** Tries at a safe point. */
  readonly attempts: number;
  /** Of the standstill until the capsule was written, in ms. */
  readonly pauseMs: number;
}

/**
 * A JavaScript value. `[]` is undefined, `[7]` the object with the id 7, `['n', text]` a number that JSON does not have,
 * `['b', text]` a bigint, `['s', 3]` the symbol 3, `['h']` a variable that is not initialized yet.
 */
export type Value =
  | string
  | number
  | boolean
  | null
  | readonly []
  | readonly [number]
  | readonly ['n' | 'b', string]
  | readonly ['s', number]
  | readonly ['h'];

export type SymbolRecord =
  | { readonly wellKnown: string }
  | { readonly registered: string }
  | { readonly path: string }
  | { readonly description: string | null };

/** An attribute of a property: V8 keeps it, as it does the stack of an error, and shows it as each of its versions does. */
export const keptByV8 = 8;

/** Key, attributes (1 writable, 2 enumerable, 4 configurable, {@link keptByV8}), then value, or getter and setter. */
export type PropertyRecord =
  | readonly [key: Value, flags: number, value: Value]
  | readonly [key: Value, flags: number, get: Value, set: Value];

/** Objects with the same prototype and the same plain properties in the same order share one. */
export interface ShapeRecord {
  readonly proto: Value;
  readonly keys: readonly string[];
}

export interface Common {
  /** Prototype; absent when the kind says it. */
  proto?: Value;
  props?: PropertyRecord[];
  /** Set when it cannot get further properties. */
  closed?: 1;
  /** Private fields and static private fields: name and value. */
  priv?: [string, Value][];
}

export interface ReactionRecord {
  /** The activation that waits. */
  readonly activation?: number;
  /** Set when an asynchronous generator waits for the value that it yields. */
  readonly yields?: 1;
  readonly fulfilled?: Value;
  readonly rejected?: Value;
  /** In which stores of AsyncLocalStorage it goes on (`capture/asyncFrames.ts`). */
  readonly frame?: Value;
  /** The promise that `then` returned. */
  readonly derived?: number;
}

export interface FunctionRecord extends Common {
  k: 'fn';
  script: number;
  /** Offsets in the script of what `toString` shows. */
  start: number;
  end: number;
  /** Id of its innermost context; 0 for none. */
  context: number;
  isClass?: 1;
  /** The computed keys of a class's fields, in their order. */
  keys?: Value[];
  /** The object whose prototype `super` begins at. */
  home?: Value;
}

/** A suspended generator, asynchronous generator or asynchronous function. */
export interface ActivationRecord extends Common {
  k: 'activation';
  kind: 'generator' | 'asyncGenerator' | 'async';
  /** The script of a module that waits on its top level; `fn` is undefined then. */
  module?: number;
  state: 'closed' | 'start' | 'suspended';
  fn: Value;
  receiver: Value;
  /** Innermost context of the function's own or the one it was made in; 0 for none. */
  context: number;
  /** Offset in the script of the `await` or `yield` it stands at. */
  at: number;
  /** Variables that no closure shares, by `name@offset of their scope`. */
  locals: Record<string, Value>;
  /** Iterators of the loops it is in and of `yield*`, by offset of the loop or expression. */
  iterators: Record<string, Value>;
  /** Those of them that give no promises where promises are waited for: `for await` over an array. */
  sync?: number[];
  /** The promise it waits for. */
  awaits?: number;
  /** The promise that it settles, or that its caller got for the step under way. */
  promise?: number;
  args?: Value[];
  /** Values without a name, by what they are of (`keptKey`). */
  kept?: Record<string, Value>;
  /** How each `try` was left whose `finally` is under way, by its offset. */
  completions?: Record<string, 'normal' | 'throw' | 'return'>;
  /** The keys that each `for … in` has left, the current one first. */
  keys?: Record<string, string[]>;
  /** Requests that wait behind the one under way of an asynchronous generator. */
  requests?: { mode: 'next' | 'return' | 'throw'; value: Value; promise: number }[];
  /** What the request under way of an asynchronous generator asks for. */
  mode?: 'next' | 'return' | 'throw';
  /** Set at a `yield` with a request under way: unless its value is waited for, it is one to return, which is waited for. */
  returns?: 1;
}

export type ObjectRecord =
  /** A plain object: shape and values in the order of its keys. */
  | readonly [0, number, ...Value[]]
  /** A plain array without holes. */
  | readonly [1, ...Value[]]
  | KindRecord;

export type KindRecord =
  | (Common & { k: 'builtin'; paths: string[]; callable?: 1 })
  | (Common & { k: 'obj' | 'args' | 'err' })
  /** An object of many properties that all were assigned: names and values in turns. */
  | (Common & { k: 'dict'; entries: Value[] })
  | (Common & { k: 'arr'; length: number })
  | (Common & { k: 'map' | 'wmap'; entries: [Value, Value][] })
  | (Common & { k: 'set' | 'wset'; members: Value[] })
  | (Common & { k: 'wref'; target: Value })
  | (Common & { k: 'date'; time: Value })
  | (Common & { k: 're'; source: string; flags: string })
  | (Common & { k: 'box'; value: Value })
  | (Common & { k: 'buf'; data: string; shared?: 1; max?: number })
  | (Common & { k: 'view'; type: string; buffer: Value; offset: number; length: number | null })
  | (Common & { k: 'promise'; state: 'pending'; reactions: ReactionRecord[] })
  | (Common & { k: 'promise'; state: 'fulfilled' | 'rejected'; result: Value; unhandled?: 1 })
  | FunctionRecord
  | ActivationRecord
  | (Common & { k: 'bound'; target: Value; self: Value; args: Value[] })
  /** One that was revoked has neither. */
  | (Common & { k: 'proxy'; target: Value; handler: Value; revoked?: 'object' | 'function' })
  | (Common & { k: 'settler'; promise: number; rejects: boolean })
  | (Common & { k: 'finally'; callback: Value; catches: boolean })
  /** What `finally` waits with for what its callback returned: it gives back the value, or throws it. */
  | (Common & { k: 'thunk'; value: Value; throws: boolean })
  | IteratorRecord
  | CombinatorRecord
  /** A function that a combinator waits with; group 0 for one that was called already. */
  | (Common & { k: 'element'; group: number; index: number; rejects: boolean })
  | (Common & { k: 'namespace' | 'meta'; module: number })
  /** The namespace that `require` gives for an ES module with a default export. */
  | (Common & { k: 'facade'; module: number })
  | (Common & { k: 'host'; host: string; state: HostState; integrity?: Integrity });

/** How far an object is closed: nothing can be added, nor taken away, nor changed. */
export type Integrity = 'closed' | 'sealed' | 'frozen';

/** What an adapter of hosts/ keeps of its object. */
export type HostState = Record<string, Value | Value[] | [Value, Value][]>;

/**
 * An iterator over an array or a string (the next index is known), a Map or a Set (the number of entries left is known), or
 * over the matches of a pattern in a text.
 */
export interface IteratorRecord extends Common {
  k: 'iterator';
  of: 'array' | 'map' | 'set' | 'string' | 'matches';
  source: Value;
  position: number;
  yields: 'keys' | 'values' | 'entries';
  text?: string;
  flags?: string;
  /** Set when it has come to its end. */
  spent?: 1;
}

/** What the functions share that `Promise.all` or a relative hands to `then`. */
export interface CombinatorRecord extends Common {
  k: 'combinator';
  of: 'all' | 'allSettled' | 'any';
  promise: Value;
  resolve: Value;
  reject: Value;
  /** By place; not initialized where nothing has come yet. */
  results: Value[];
}

/** One instance of a scope. */
export interface ContextRecord {
  script: number;
  /** Which scope of the script: its kind and offsets. */
  scope: readonly [kind: string, start: number, end: number];
  /** Id of the enclosing context; 0 for none. */
  parent: number;
  vars: Record<string, Value>;
  self?: Value;
  /** `new.target`. */
  target?: Value;
  /** The object whose prototype `super` begins at. */
  home?: Value;
}

export interface ScriptRecord {
  readonly url: string;
  readonly kind: 'commonjs' | 'module' | 'script' | 'core';
  readonly source: string;
  /** Of the code of a direct `eval`: script and scope that this stands in. */
  readonly inside?: readonly [script: number, kind: string, start: number, end: number];
}

/** An entry of the cache of ES modules. */
export type ModuleRecord = {
  readonly url: string;
  /** Under which kind the cache has it: `implicit` or the `type` that it was imported with. */
  readonly type: string;
} & (
  | {
      readonly kind: 'source';
      readonly script: number;
      /** Id of the context with its variables, those that it exports as well. */
      readonly context: number;
      /** `done` has run, `waits` stands at an `await`, `linked` has not begun, `failed` has thrown. */
      readonly state: 'done' | 'waits' | 'linked' | 'failed';
      readonly activation?: number;
      readonly error?: Value;
      /** What it imports from: specifier, kind and index of the module. */
      readonly requests: readonly (readonly [specifier: string, type: string, module: number])[];
      readonly meta?: Value;
      /** The script that the program was started with. */
      readonly main?: true;
    }
  /** What stands for a CommonJS module or a file that is no script: it only has values. */
  | { readonly kind: 'values'; readonly exports: readonly (readonly [string, Value])[] }
  | { readonly kind: 'builtin' }
);

/** A file that the program has open. */
export interface FileRecord {
  readonly number: number;
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'device';
  /** Names of `fs.constants`. */
  readonly flags: readonly string[];
  /** Where the next byte is read or written, unless it is said otherwise. */
  readonly position: number;
}

export interface Roots {
  files: FileRecord[];
  /** The cache of ES modules. */
  esm: ModuleRecord[];
  /** Modules of CommonJS in the order of the cache: file name and module. */
  modules: [string, Value][];
  globals: PropertyRecord[];
  /** Properties of builtins that the program changed or added. */
  changed: [Value, PropertyRecord][];
  /** Properties of builtins that the program removed: holder and key. */
  removed: [Value, Value][];
  /** Builtins that the program has closed. */
  closed: Value[];
  /** By adapter. */
  hosts: Record<string, HostState>;
}

/** A capsule in memory. Index 0 of `objects` and `contexts` is not used. */
export interface Capsule {
  readonly header: CapsuleHeader;
  readonly symbols: SymbolRecord[];
  readonly shapes: ShapeRecord[];
  readonly scripts: ScriptRecord[];
  readonly contexts: ContextRecord[];
  readonly objects: ObjectRecord[];
  readonly roots: Roots;
}
